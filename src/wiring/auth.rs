//! Users and tokens in this process.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::anyhow;
use emporium_auth::{MailTransport, Settings, Users};
use emporium_auth_api::{Auth, AuthError, Near};
use emporium_database::Database;
use emporium_kernel::Admission;

use super::Opener;
use super::module::{Chore, Kind, Module};

/// The module auth.
pub const KIND: Kind = Kind {
    name: "auth",
    routes: emporium_auth::routes,
    migrations: emporium_auth::MIGRATIONS,
    check: |settings| section(settings).map(drop),
    open,
};

const SWEEP_EVERY: Duration = Duration::from_secs(5);
const COSTS_EVERY: Duration = Duration::from_secs(60);
const KEYS_EVERY: Duration = Duration::from_secs(5);
const POST_EVERY: Duration = Duration::from_millis(500);

/// The section `auth` of the configuration, when it can be used.
pub fn section(settings: &crate::settings::Settings) -> anyhow::Result<Settings> {
    let section: Settings = settings.section(KIND.name)?;
    section.check().map_err(|error| anyhow!("[auth] {error}"))?;
    if section.mail.transport == MailTransport::Staff {
        let listen = &settings.general.listen;
        let here = listen.to_socket_addrs().is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()));
        anyhow::ensure!(
            here,
            "[auth] mail.transport is \"staff\", which shows everybody's codes to staff: only for demonstrations on this \
             machine, and not where listen is {listen}"
        );
    }
    Ok(section)
}

fn open(opener: &mut Opener<'_>) -> anyhow::Result<Box<dyn Module>> {
    let (section, data) = (section(opener.settings)?, &opener.settings.general.data);
    let (clock, random) = (opener.clock.clone(), opener.random.clone());
    let users = Users::of(opener.database(&KIND)?, section, data, clock, random)?;
    opener.neighbours.offer::<dyn Auth>(Arc::new(Near(users.clone())));
    Ok(Box::new(users))
}

impl Module for Arc<Users> {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn database(&self) -> &Database {
        Users::database(self)
    }

    fn provide(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::from(self.clone()));
    }

    fn serve(&self, app: &mut web::ServiceConfig, admission: Arc<dyn Admission>) {
        emporium_auth_api::routes(Arc::new(Near(self.clone())), admission)(app);
    }

    fn chores(&self) -> Vec<Chore> {
        let users = self.clone();
        let sweep = move || {
            let users = users.clone();
            async move { users.sweep().await }
        };
        let users = self.clone();
        let post = move || {
            let users = users.clone();
            async move { users.send_mail().await }
        };
        let users = self.clone();
        let costs = move || {
            let users = users.clone();
            async move { users.learn_costs().await }
        };
        let users = self.clone();
        let keys = move || {
            let users = users.clone();
            async move {
                users.refresh_keys();
                Ok::<(), AuthError>(())
            }
        };
        vec![
            Chore::alone(SWEEP_EVERY, sweep),
            Chore::each(COSTS_EVERY, costs),
            Chore::each(POST_EVERY, post),
            Chore::each(KEYS_EVERY, keys),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::module::documented;

    #[test]
    fn codes_are_shown_to_staff_on_this_machine_alone() {
        let with = |listen: &str| {
            let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
            let text = format!("listen = \"{listen}\"\n[auth.mail]\ntransport = \"staff\"");
            std::fs::write(file.path(), text).expect("writes");
            let overrides = crate::settings::Overrides::default();
            section(&crate::settings::Settings::load(&[file.path().to_owned()], &overrides).expect("reads"))
        };
        assert!(with("127.0.0.1:8080").is_ok() && with("[::1]:8080").is_ok());
        assert!(format!("{:#}", with("0.0.0.0:8080").expect_err("everybody")).contains("mail.transport"));
    }

    #[test]
    fn the_shipped_file_documents_every_key_with_its_default() {
        assert_eq!(documented("auth"), serde_json::to_value(Settings::default()).expect("serializes"));
    }
}
