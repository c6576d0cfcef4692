//! Settings in layers: the built-in config.toml, files, `EMPORIUM_*` variables, command line options. Each module
//! reads its own section; every mistake names the layer it came from.

mod known;
mod proxies;
mod services;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use emporium_database::Url;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::wiring;

pub use services::Services;

/// The first layer, which documents every key.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// The modules there are.
pub const MODULES: [&str; 4] = ["auth", "inventory", "shop", "wallet"];

/// Everything that can be set, with the sections of modules still unread.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The keys that belong to no module.
    pub general: General,
    layers: Figment,
}

/// The keys that belong to no module.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct General {
    /// The folder with databases and keys.
    pub data: PathBuf,
    /// Address of the public listener.
    pub listen: String,
    /// How long an idle connection to the public listener is kept, in seconds; 1 to 3600.
    pub keep_alive_secs: u16,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "proxies::networks")]
    pub proxies: Vec<IpNet>,
    /// Threads that serve requests; 0 for as many as there are cores.
    pub workers: usize,
    /// Whether each of these threads keeps to a core of its own; only where there are as many threads as cores.
    pub pin_workers: bool,
    /// The management listener.
    pub management: Management,
    /// Logging.
    pub log: Log,
    /// What the process holds, where it keeps its data and where the other modules are.
    pub modules: Modules,
    /// How modules of different processes meet.
    pub services: Services,
    /// How money comes in.
    pub payments: Payments,
    /// The API's documentation.
    pub docs: Docs,
}

/// The management listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Management {
    /// Its address.
    pub listen: String,
}

/// Logging.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// What is logged.
    pub level: String,
    /// For whom.
    pub format: LogFormat,
}

/// For whom logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// People.
    Text,
    /// Machines.
    Json,
}

/// What the process holds, where it keeps its data and where the other modules are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Modules {
    /// Modules of this process; empty for all of this build.
    pub held: Vec<String>,
    /// Each module's place.
    #[serde(flatten)]
    pub places: BTreeMap<String, Place>,
}

/// Where a module keeps its data, or where it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Database URL; empty for the module's file in the data folder.
    #[serde(default)]
    pub database: String,
    /// A file with that URL in its first line; empty for none.
    #[serde(default)]
    pub database_file: String,
    /// The management address of the process that holds it, for processes that do not; empty when nobody calls it.
    #[serde(default)]
    pub url: String,
}

/// How money comes in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    /// `pending` or `instant`.
    pub deposits: String,
}

/// The API's documentation.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Docs {
    /// Whether it is served.
    pub enabled: bool,
}

/// Values from the command line, over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--management`.
    pub management: Option<String>,
    /// `--modules`.
    pub modules: Option<Vec<String>>,
    /// `payments.deposits`, which only `demo` overrides.
    pub deposits: Option<String>,
    /// `auth.mail.transport`, which only `demo` overrides.
    pub mail: Option<String>,
    /// `log.level`, which commands that print override.
    pub log_level: Option<String>,
    /// Whether every module is held and keeps its data in the data folder, whatever is configured: for data that is
    /// thrown away.
    pub all_in_data: bool,
}

impl Settings {
    /// Reads all layers.
    pub fn load(files: &[PathBuf], overrides: &Overrides) -> anyhow::Result<Self> {
        let mut layers = Figment::from(Toml::string(DEFAULTS));
        for file in files {
            anyhow::ensure!(file.is_file(), "there is no configuration file {}", file.display());
            layers = layers.merge(Toml::file_exact(file));
        }
        layers = layers.merge(Env::prefixed("EMPORIUM_").split("__"));
        layers = overridden(layers, overrides);
        known::refuse_unknown(&layers)?;
        let general: General = layers.extract().context("the configuration is not valid")?;
        let settings = Self { general, layers };
        settings.check_modules()?;
        Ok(settings)
    }

    /// A module's own section, or its defaults when it is absent.
    pub fn section<T: DeserializeOwned + Default>(&self, module: &str) -> anyhow::Result<T> {
        if self.layers.find_value(module).is_err() {
            return Ok(T::default());
        }
        self.layers.extract_inner(module).with_context(|| format!("the section [{module}] is not valid"))
    }

    /// Where a module keeps its data.
    pub fn database(&self, module: &str) -> anyhow::Result<Url> {
        let place = self.general.modules.places.get(module).cloned().unwrap_or_default();
        let key = format!("modules.{module}.database");
        match (place.database.as_str(), place.database_file.as_str()) {
            ("", "") => Ok(Url::file(self.general.data.join(format!("{module}.db")))),
            (url, "") => Url::parse(url).context(key),
            ("", file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("{key}_file {file}"))?;
                // What stands there is secret, also when it is wrong.
                let url = Url::parse(text.lines().next().unwrap_or_default().trim());
                url.map_err(|_| anyhow!("the first line of {key}_file {file} is no database URL of this build"))
            }
            _ => anyhow::bail!("{key} and {key}_file are both set; keep one"),
        }
    }

    /// Whether a held module has no database yet.
    pub fn lacks_a_database(&self) -> anyhow::Result<bool> {
        for module in MODULES.iter().filter(|module| self.holds(module)) {
            if !self.database(module)?.exists()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this process is to hold a module.
    pub fn holds(&self, module: &str) -> bool {
        let held = &self.general.modules.held;
        if held.is_empty() { wiring::is_built(module) } else { held.iter().any(|name| name == module) }
    }

    /// Everything that is set, as TOML-like JSON, without the passwords in it.
    pub fn shown(&self) -> anyhow::Result<serde_json::Value> {
        let mut shown: serde_json::Value = self.layers.extract()?;
        for module in MODULES {
            if let Some(url) = shown["modules"][module]["database"].as_str().map(Url::hide) {
                shown["modules"][module]["database"] = url.into();
            }
        }
        if let Some(password) = shown.pointer_mut("/auth/mail/password").filter(|password| *password != "") {
            *password = "…".into();
        }
        Ok(shown)
    }

    fn check_modules(&self) -> anyhow::Result<()> {
        let modules = &self.general.modules;
        let named = modules.held.iter().chain(modules.places.keys());
        for name in named {
            anyhow::ensure!(
                MODULES.contains(&name.as_str()),
                "there is no module {name}; there are {}",
                MODULES.join(", ")
            );
        }
        anyhow::ensure!(
            ["pending", "instant"].contains(&self.general.payments.deposits.as_str()),
            "payments.deposits is {:?}; write \"pending\" or \"instant\"",
            self.general.payments.deposits
        );
        anyhow::ensure!(
            (1..=3600).contains(&self.general.keep_alive_secs),
            "keep_alive_secs is not between 1 and 3600"
        );
        Ok(())
    }
}

fn overridden(layers: Figment, overrides: &Overrides) -> Figment {
    let text = |value: &Option<String>| value.clone();
    let values = [
        ("data", overrides.data.as_deref().map(|path: &Path| path.display().to_string())),
        ("listen", text(&overrides.listen)),
        ("management.listen", text(&overrides.management)),
        ("payments.deposits", text(&overrides.deposits)),
        ("auth.mail.transport", text(&overrides.mail)),
        ("log.level", text(&overrides.log_level)),
    ];
    let set = values.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
    let layers = set.fold(layers, |layers, (key, value)| layers.merge(Serialized::default(key, value)));
    let layers = if overrides.all_in_data { all_in_data(layers) } else { layers };
    match &overrides.modules {
        Some(held) => layers.merge(Serialized::default("modules.held", held)),
        None => layers,
    }
}

fn all_in_data(layers: Figment) -> Figment {
    let held = Serialized::default("modules.held", Vec::<String>::new());
    let places = MODULES.iter().flat_map(|module| {
        ["database", "database_file", "url"].map(|key| Serialized::default(&format!("modules.{module}.{key}"), ""))
    });
    let layers = places.fold(layers.merge(held), |layers, place| layers.merge(place));
    let layers = layers.merge(Serialized::default("auth.root_file", ""));
    let strangers = |module: &str| Serialized::default(&format!("services.trusted.{module}"), Vec::<String>::new());
    MODULES.iter().fold(layers, |layers, module| layers.merge(strangers(module)))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn load(text: &str) -> anyhow::Result<Settings> {
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        Settings::load(&[file.path().to_owned()], &Overrides::default())
    }

    #[test]
    fn the_shipped_file_is_complete_and_valid() {
        let settings = Settings::load(&[], &Overrides::default()).expect("the defaults are valid");
        assert_eq!(settings.general.listen, "127.0.0.1:8080");
        assert_eq!(settings.database("shop").expect("a place"), Url::file("data/shop.db"));
        let documented: toml_keys::Keys = toml_keys::of(DEFAULTS);
        let set = serde_json::to_value(&settings.general).expect("serializes");
        for key in toml_keys::paths(&set) {
            assert!(documented.contains(&key), "{key} is not documented in config.toml");
        }
    }

    #[test]
    fn mistakes_name_their_source() {
        for (text, part) in [
            ("prt = 1", "prt"),
            ("listen = 5", "listen"),
            ("[log]\nlevle = \"info\"", "levle"),
            ("[modules]\nheld = [\"shpo\"]", "shpo"),
            ("[modules.shpo]\ndatabase = \"\"", "shpo"),
            ("[payments]\ndeposits = \"now\"", "now"),
        ] {
            let error = format!("{:#}", load(text).expect_err(text));
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn throw_away_data_stays_apart_from_configured_databases() {
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        let text = "[modules]\nheld = [\"auth\"]\nwallet.database = \"sqlite:///srv/wallet.db\"\n[services]\ntrusted.shop = [\"x\"]\n[auth]\nroot_file = \"/x\"";
        std::fs::write(file.path(), text).expect("writes");
        let overrides = Overrides { data: Some("/tmp/x".into()), all_in_data: true, ..Overrides::default() };
        let settings = Settings::load(&[file.path().to_owned()], &overrides).expect("valid");
        assert_eq!(settings.database("wallet").expect("a place"), Url::file("/tmp/x/wallet.db"));
        assert!(settings.holds("shop"));
        assert!(settings.general.services.trusted_keys().expect("nobody's").is_empty());
        assert_eq!(settings.shown().expect("shows")["auth"]["root_file"], "");
    }

    #[test]
    fn a_database_url_may_stand_in_a_file_of_its_own_and_its_password_is_not_shown() {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), "sqlite:///srv/wallet.db\n").expect("writes");
        let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
        let places = |text: String| {
            std::fs::write(file.path(), format!("[modules]\n{text}")).expect("writes");
            Settings::load(&[file.path().to_owned()], &Overrides::default()).expect("valid")
        };
        let in_file = format!("wallet.database_file = {:?}\n", secret.path());
        let settings = places(in_file.clone());
        assert_eq!(settings.database("wallet").expect("a place"), Url::file("/srv/wallet.db"));
        let settings = places(format!("{in_file}wallet.database = \"sqlite://a.db\""));
        assert!(settings.database("wallet").is_err(), "which of both?");
        let settings = places("shop.database = \"mysql://shop:s3cret@db/shop\"".to_owned());
        assert!(!settings.shown().expect("shows").to_string().contains("s3cret"));
    }

    #[test]
    fn the_command_line_goes_over_files() {
        let overrides = Overrides { data: Some("/elsewhere".into()), ..Overrides::default() };
        let settings = Settings::load(&[], &overrides).expect("valid");
        assert_eq!(settings.database("wallet").expect("a place"), Url::file("/elsewhere/wallet.db"));
    }

    /// Which keys a text sets and which a value has.
    mod toml_keys {
        use std::collections::BTreeSet;

        pub type Keys = BTreeSet<String>;

        pub fn of(text: &str) -> Keys {
            let value: serde_json::Value =
                figment::Figment::from(<figment::providers::Toml as figment::providers::Format>::string(text))
                    .extract()
                    .expect("valid");
            paths(&value).into_iter().collect()
        }

        pub fn paths(value: &serde_json::Value) -> Vec<String> {
            let Some(members) = value.as_object() else { return Vec::new() };
            let inner = |(key, value): (&String, &serde_json::Value)| {
                let below = paths(value).into_iter().map(|path| format!("{key}.{path}"));
                std::iter::once(key.clone()).chain(below).collect::<Vec<_>>()
            };
            members.iter().flat_map(inner).collect()
        }
    }
}
