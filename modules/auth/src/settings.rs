//! What can be configured of auth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use emporium_auth_api::MAX_LIFETIME_SECS;
use emporium_kernel::Role;
use serde::{Deserialize, Serialize};

use crate::mail::Post;

/// The section `auth` of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long an access token is good, in seconds; 60 to 900.
    pub access_token_secs: u32,
    /// How long a session lives after its login, in seconds; `access_token_secs` to 30 days.
    pub session_secs: u32,
    /// How long a session lives after its last refresh, in seconds; `access_token_secs` to `session_secs`.
    pub session_idle_secs: u32,
    /// How long a refresh token that was just used is answered with the same successor, in case the first answer was
    /// lost, in seconds; 0 to 60. With 0 every second use ends the session.
    pub refresh_grace_secs: u32,
    /// Memory of one password hash (argon2id), in KiB; at least 19456.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash; at least 2.
    pub argon2_passes: u32,
    /// Lanes of one password hash; at least 1.
    pub argon2_lanes: u32,
    /// Characters that a new password has at least; 8 to 64.
    pub password_characters: u32,
    /// A file of passwords that nobody may set, one a line, besides those that are bundled; empty for none.
    pub password_blocklist: String,
    /// How many passwords are hashed at the same time; 0 for as many as there are cores.
    pub hashing_at_once: usize,
    /// How many more may wait for that; the next is told to come back (503).
    pub hashing_waiting: usize,
    /// How often one address may log in, a minute; 0 for any number. Above it, 429.
    pub logins_a_minute: u32,
    /// How many users one address may register, a minute; 0 for any number.
    pub registrations_a_minute: u32,
    /// Whether whoever registers has to prove the address first, by a code that is mailed there.
    pub verify_email: bool,
    /// A further cookie, besides `__Host-jwt`, in which an access token is taken; empty for none.
    pub token_cookie: String,
    /// Roles that only a session has in which a second factor was shown.
    pub require_totp: BTreeSet<Role>,
    /// The file of the root secret; empty for `auth-root.key` in the data folder.
    pub root_file: String,
    /// How mail leaves.
    pub mail: MailSettings,
    #[serde(skip)]
    cheap_hashes: bool,
}

/// The section `auth.mail`: how mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// Which way.
    pub transport: MailTransport,
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who logs in to the server; empty for nobody.
    pub user: String,
    /// The password of `user`.
    pub password: String,
    /// A file whose first line is the password; empty for none.
    pub password_file: String,
    /// Who writes, as in `Shop <shop@example.com>`.
    pub from: String,
}

/// Which way mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTransport {
    /// None: what needs mail is refused.
    None,
    /// Over SMTP (RFC 5321).
    Smtp,
    /// Not at all: staff read it, which is for demonstrations only.
    Staff,
}

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// By TLS from the beginning (RFC 8314).
    Implicit,
    /// By TLS that is asked for; a server that has none is not used (RFC 3207).
    Starttls,
    /// Not: for a server on the same machine.
    None,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            transport: MailTransport::None,
            host: String::new(),
            port: 587,
            tls: MailTls::Starttls,
            user: String::new(),
            password: String::new(),
            password_file: String::new(),
            from: String::new(),
        }
    }
}

impl MailSettings {
    /// The password, wherever it stands.
    pub(crate) fn secret(&self) -> Result<String, String> {
        match (self.password.as_str(), self.password_file.as_str()) {
            (password, "") => Ok(password.to_owned()),
            ("", file) => {
                let text =
                    std::fs::read_to_string(file).map_err(|error| format!("mail.password_file {file}: {error}"))?;
                Ok(text.lines().next().unwrap_or_default().to_owned())
            }
            _ => Err("mail.password and mail.password_file are both set; keep one".to_owned()),
        }
    }
}

const ROOT_FILE: &str = "auth-root.key";
const DAY_SECS: u32 = 24 * 60 * 60;
const LEAST_MEMORY_KIB: u32 = 19_456;
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const LEAST_PASSES: u32 = 2;

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_secs: 600,
            session_secs: 30 * DAY_SECS,
            session_idle_secs: 14 * DAY_SECS,
            refresh_grace_secs: 10,
            argon2_memory_kib: LEAST_MEMORY_KIB,
            argon2_passes: LEAST_PASSES,
            argon2_lanes: 1,
            password_characters: 8,
            password_blocklist: String::new(),
            hashing_at_once: 0,
            hashing_waiting: 32,
            logins_a_minute: 300,
            registrations_a_minute: 100,
            verify_email: false,
            token_cookie: String::new(),
            require_totp: BTreeSet::new(),
            root_file: String::new(),
            mail: MailSettings::default(),
            cheap_hashes: false,
        }
    }
}

impl Settings {
    /// The defaults with password hashes that take no time and protect nothing. For tests only: no configuration can
    /// say this.
    #[must_use]
    pub fn for_tests() -> Self {
        Self { argon2_memory_kib: 8, argon2_passes: 1, cheap_hashes: true, ..Self::default() }
    }

    /// Why these settings are refused.
    pub fn check(&self) -> Result<(), String> {
        let (least_memory, least_passes) = if self.cheap_hashes { (8, 1) } else { (LEAST_MEMORY_KIB, LEAST_PASSES) };
        let longest_token = u32::try_from(MAX_LIFETIME_SECS).unwrap_or(0);
        within("access_token_secs", self.access_token_secs, 60, longest_token)?;
        within("session_secs", self.session_secs, self.access_token_secs, 30 * DAY_SECS)?;
        within("session_idle_secs", self.session_idle_secs, self.access_token_secs, self.session_secs)?;
        within("refresh_grace_secs", self.refresh_grace_secs, 0, 60)?;
        within("argon2_memory_kib", self.argon2_memory_kib, least_memory, MOST_MEMORY_KIB)?;
        within("argon2_passes", self.argon2_passes, least_passes, 64)?;
        within("argon2_lanes", self.argon2_lanes, 1, 64)?;
        if self.verify_email && self.mail.transport == MailTransport::None {
            return Err("verify_email needs mail.transport".to_owned());
        }
        within("password_characters", self.password_characters, 8, 64)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.token_cookie == "__Host-refresh"
            || self.token_cookie.len() > 64
            || !self.token_cookie.chars().all(plain)
        {
            return Err(
                "token_cookie takes at most 64 letters, digits, - and _, and not the name of the refresh token"
                    .to_owned(),
            );
        }
        Post::of(&self.mail).map(drop)
    }

    /// Where the root secret is, which refresh tokens, codes and the encryption of all other secrets come from.
    pub fn root_path(&self, data_dir: &Path) -> PathBuf {
        if self.root_file.is_empty() { data_dir.join(ROOT_FILE) } else { PathBuf::from(&self.root_file) }
    }

    pub(crate) fn session_life(&self) -> Duration {
        Duration::from_secs(self.session_secs.into())
    }

    pub(crate) fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_secs.into())
    }

    pub(crate) fn refresh_grace(&self) -> Duration {
        Duration::from_secs(self.refresh_grace_secs.into())
    }
}

fn within(name: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    let fits = (least..=most).contains(&value);
    if fits { Ok(()) } else { Err(format!("{name} is {value}; use {least} to {most}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_or_endless_settings_are_refused() {
        assert_eq!(Settings::default().check(), Ok(()));
        let refused = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().is_err()
        };
        assert!(refused(|s| s.argon2_memory_kib = 19_455));
        assert!(refused(|s| s.argon2_passes = 1));
        assert!(refused(|s| s.argon2_lanes = 0));
        assert!(refused(|s| s.access_token_secs = 901));
        assert!(refused(|s| s.session_secs = 31 * DAY_SECS));
        assert!(refused(|s| s.session_idle_secs = 31 * DAY_SECS));
        assert!(refused(|s| s.refresh_grace_secs = 61));
    }

    #[test]
    fn configuration_cannot_ask_for_cheap_hashes() {
        assert!(serde_json::from_str::<Settings>(r#"{"cheap_hashes": true}"#).is_err());
        let weak: Settings = serde_json::from_str(r#"{"argon2_memory_kib": 8}"#).expect("reads");
        assert!(weak.check().is_err());
    }
}
