//! `emporium user`: makes and manages users.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use clap::Subcommand;
use emporium_auth::{Name, NewPassword, Users};
use emporium_auth_api::{Email, FindUser, User, UserId};
use emporium_kernel::{Role, Window};

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
    },
    /// End a user's sessions and let nobody log in as that user; or allow it again.
    Disable {
        /// Address or id.
        user: String,
        /// Allow it again.
        #[arg(long)]
        undo: bool,
    },
    /// Set a user's password and end all sessions.
    Passwd {
        /// Address or id.
        user: String,
        /// Read the password from standard input: its first line.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "use customer, supplier, staff or admin".to_owned())
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> anyhow::Result<u8> {
    let mode = if matches!(command, Command::List { .. }) { Mode::ReadOnly } else { Mode::Own };
    let opened = context.open(mode)?;
    let users = opened.modules.auth.clone();
    let users = users.ok_or_else(|| anyhow::anyhow!("this configuration does not hold auth"))?;
    let changed = match command {
        Command::List { limit, after } => return list(context, &users, limit, after).await,
        Command::Create { email, name, role, .. } => create(&users, &email, &name, role).await?,
        Command::Role { user, roles } => {
            users.set_roles(named(&user)?, roles.into_iter().collect()).await.map_err(refused)?
        }
        Command::Disable { user, undo: false } => users.disable(named(&user)?).await.map_err(refused)?,
        Command::Disable { user, undo: true } => users.enable(named(&user)?).await.map_err(refused)?,
        Command::Passwd { user, .. } => {
            users.set_password(named(&user)?, password_from_stdin()?).await.map_err(refused)?
        }
    };
    context.out.show(&changed, line);
    Ok(0)
}

async fn create(users: &Users, email: &str, name: &str, roles: Vec<Role>) -> anyhow::Result<User> {
    let email = Email::parse(email).ok_or_else(|| anyhow::anyhow!("--email takes an address as in ada@example.com"))?;
    let name = Name::parse(name).map_err(|error| anyhow::anyhow!("--name: {error}"))?;
    let roles: BTreeSet<Role> = roles.into_iter().collect();
    users.create_user(email, name, password_from_stdin()?, roles).await.map_err(refused)
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

async fn list(context: &Context, users: &Arc<Users>, limit: u8, after: Option<String>) -> anyhow::Result<u8> {
    let asked = serde_json::json!({"limit": limit, "after": after});
    let window: Window = serde_json::from_value(asked)?;
    let page = users.list_users(window).await.map_err(refused)?;
    context.out.show(&page, |page| page.data.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(0)
}

fn line(user: &User) -> String {
    let roles: Vec<&str> = user.roles.iter().map(|role| role.name()).collect();
    let disabled = if user.disabled { " (disabled)" } else { "" };
    format!("{} {} {} [{}]{disabled}", user.id, user.email, user.name, roles.join(", "))
}
