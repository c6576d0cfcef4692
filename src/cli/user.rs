//! `emporium user`: makes and manages users.

use std::collections::BTreeSet;
use std::io::Read;

use clap::Subcommand;
use emporium_auth::{Name, NewPassword, UserFilter, Users};
use emporium_auth_api::{AuthError, Email, FindUser, User, UserId};
use emporium_kernel::{Call, Role, Window};
use serde::Serialize;

use super::{Context, refused};
use crate::wiring::Mode;

/// What to do with users.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a user; the first admin is made like this.
    Create {
        /// The address to log in with.
        #[arg(long)]
        email: String,
        /// What the user wants to be called.
        #[arg(long)]
        name: String,
        /// customer, supplier, staff or admin; may be given several times.
        #[arg(long, default_value = "customer", value_parser = role)]
        role: Vec<Role>,
        /// Read the password from standard input: its first line.
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// List users, newest first.
    List {
        /// At most so many, 1 to 100.
        #[arg(long, default_value_t = 25)]
        limit: u8,
        /// Where the page begins: `next_cursor` of the page before.
        #[arg(long)]
        after: Option<String>,
    },
    /// Make these all the roles of a user.
    Role {
        /// Address or id.
        user: String,
        /// customer, supplier, staff or admin.
        #[arg(required = true, value_parser = role)]
        roles: Vec<Role>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// End a user's sessions and let nobody log in as that user; or allow it again.
    Disable {
        /// Address or id.
        user: String,
        /// Allow it again.
        #[arg(long)]
        undo: bool,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// End the second factor of a user who has lost it.
    ResetTotp {
        /// Address or id.
        user: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Set a user's password and end all sessions.
    Passwd {
        /// Address or id.
        user: String,
        /// Read the password from standard input: its first line.
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "use customer, supplier, staff or admin".to_owned())
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let (dry_run, change) = match command {
        Command::List { limit, after } => return list(context, limit, after).await,
        Command::Create { email, name, role, dry_run, .. } => (dry_run, Change::create(&email, &name, role)?),
        Command::Role { user, roles, dry_run } => (dry_run, Change::Roles(named(&user)?, roles.into_iter().collect())),
        Command::Disable { user, undo, dry_run } => (dry_run, Change::Disabled(named(&user)?, !undo)),
        Command::ResetTotp { user, dry_run } => (dry_run, Change::Factor(named(&user)?)),
        Command::Passwd { user, dry_run, .. } => (dry_run, Change::Password(named(&user)?, password_from_stdin()?)),
    };
    let opened = context.open(if dry_run { Mode::ReadOnly } else { Mode::Own })?;
    let users = opened.module::<Users>("auth")?;
    if dry_run {
        let planned = change.planned(&users).await.map_err(refused)?;
        context.out.show(&planned, |planned| format!("would be {}", planned.line()));
    } else {
        let user = change.made(&users).await.map_err(refused)?;
        context.out.show(&user, line);
    }
    Ok(0)
}

/// A change whose arguments were checked.
enum Change {
    Create { email: Email, name: Name, password: NewPassword, roles: BTreeSet<Role> },
    Roles(FindUser, BTreeSet<Role>),
    Disabled(FindUser, bool),
    Password(FindUser, NewPassword),
    Factor(FindUser),
}

/// A user as a change would leave it.
#[derive(Serialize)]
struct Planned {
    email: String,
    name: String,
    roles: Vec<Role>,
    disabled: bool,
    dry_run: bool,
}

impl Planned {
    fn line(&self) -> String {
        described(&self.email, &self.name, &self.roles, self.disabled)
    }
}

impl Change {
    fn create(email: &str, name: &str, roles: Vec<Role>) -> anyhow::Result<Self> {
        let email =
            Email::parse(email).ok_or_else(|| anyhow::anyhow!("--email takes an address as in ada@example.com"))?;
        let name = Name::parse(name).map_err(|error| anyhow::anyhow!("--name: {error}"))?;
        Ok(Self::Create { email, name, password: password_from_stdin()?, roles: roles.into_iter().collect() })
    }

    async fn made(self, users: &Users) -> Result<User, AuthError> {
        let call = &Call::internal("user-command");
        match self {
            Self::Create { email, name, password, roles } => {
                users.create_user(call, email, name, password, roles).await
            }
            Self::Roles(who, roles) => users.set_roles(call, who, roles).await,
            Self::Disabled(who, true) => users.disable(call, who).await,
            Self::Disabled(who, false) => users.enable(call, who).await,
            Self::Password(who, password) => users.set_password(call, who, password).await,
            Self::Factor(who) => users.reset_factor(call, who).await,
        }
    }

    /// What it would lead to; refused as the change would be.
    async fn planned(self, users: &Users) -> Result<Planned, AuthError> {
        let of =
            |User { email, name, roles, disabled, .. }: User| Planned { email, name, roles, disabled, dry_run: true };
        Ok(match self {
            Self::Create { email, name, password, roles } => {
                users.check_new(&email, &name, &password).await?;
                let (email, name, roles) = (email.to_string(), name.into_string(), roles.into_iter().collect());
                Planned { email, name, roles, disabled: false, dry_run: true }
            }
            Self::Roles(who, roles) => Planned { roles: roles.into_iter().collect(), ..of(users.user(who).await?) },
            Self::Disabled(who, disabled) => Planned { disabled, ..of(users.user(who).await?) },
            Self::Password(who, password) => of(users.check_password(who, &password).await?),
            Self::Factor(who) => of(users.check_factor_reset(who).await?),
        })
    }
}

/// A password is never an argument, which other users of the machine could see.
fn password_from_stdin() -> anyhow::Result<NewPassword> {
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text)?;
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    NewPassword::parse(line).map_err(refused)
}

fn named(text: &str) -> anyhow::Result<FindUser> {
    let by_id = UserId::parse(text).map(FindUser::Id);
    let found = by_id.or_else(|| Email::parse(text).map(FindUser::Email));
    found.ok_or_else(|| anyhow::anyhow!("{text} is neither an address nor a user id"))
}

async fn list(context: &Context, limit: u8, after: Option<String>) -> anyhow::Result<u8> {
    let opened = context.open(Mode::ReadOnly)?;
    let asked = serde_json::json!({"limit": limit, "after": after});
    let window: Window = serde_json::from_value(asked)?;
    let page = opened.module::<Users>("auth")?.list_users(UserFilter::default(), window).await.map_err(refused)?;
    context.out.show(&page, |page| page.data.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(0)
}

fn line(user: &User) -> String {
    format!("{} {}", user.id, described(&user.email, &user.name, &user.roles, user.disabled))
}

fn described(email: &str, name: &str, roles: &[Role], disabled: bool) -> String {
    let roles: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let disabled = if disabled { " (disabled)" } else { "" };
    format!("{email} {name} [{}]{disabled}", roles.join(", "))
}
