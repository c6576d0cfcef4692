//! `emporium doctor`: checks configuration, files and databases, and says what to mend.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use emporium_database::OpenError;
use serde::Serialize;
use serde_json::json;

use super::Context;
use crate::settings::{Overrides, Settings};
#[cfg(feature = "auth")]
use crate::wiring::auth_section;
use crate::wiring::{self, Mode, Modules};

/// What one check found.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    /// What is wrong and what to do; what was found when nothing is.
    detail: String,
}

/// 0 when all is well, 1 when something is to be mended.
pub async fn run(context: &Context) -> anyhow::Result<u8> {
    let settings = context.settings(Overrides { log_level: Some("off".to_owned()), ..Overrides::default() })?;
    wiring::check(&settings)?;
    let mut checks = vec![Check { check: "configuration", ok: true, detail: "valid".to_owned() }];
    checks.push(folder(&settings.general.data));
    checks.push(keys(&settings));
    checks.push(deposits(&settings));
    checks.extend(mail(&settings));
    checks.extend(listeners(&settings));
    checks.extend(databases(context, &settings).await);
    let ok = checks.iter().all(|check| check.ok);
    context.out.show(&json!({"ok": ok, "checks": checks}), |_| checks.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(u8::from(!ok))
}

fn line(check: &Check) -> String {
    format!("{} {}: {}", if check.ok { "ok  " } else { "MEND" }, check.check, check.detail)
}

fn wide(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

fn folder(data: &Path) -> Check {
    let (ok, detail) = if !data.exists() {
        (true, format!("{} will be created", data.display()))
    } else if wide(data) {
        (false, format!("others can read {0}: chmod 700 {0}", data.display()))
    } else {
        (true, format!("{} is the owner's alone", data.display()))
    };
    Check { check: "data folder", ok, detail }
}

fn keys(settings: &Settings) -> Check {
    let data = &settings.general.data;
    let names = ["auth-signing.key", "bootstrap-secret"];
    let secrets = names.map(|name| data.join(name)).into_iter().chain([settings.service_key_file()]);
    #[cfg(feature = "auth")]
    let secrets = secrets.chain(auth_section(settings).ok().map(|auth| auth.root_path(data)));
    let secrets: Vec<_> = secrets.collect();
    let exposed = secrets.iter().find(|path| wide(path));
    let detail = match &exposed {
        Some(path) => format!("others can read {0}: chmod 600 {0}", path.display()),
        None => "secrets are the owner's alone".to_owned(),
    };
    Check { check: "secret files", ok: exposed.is_none(), detail }
}

fn deposits(settings: &Settings) -> Check {
    let instant = settings.general.payments.deposits == "instant";
    let detail = if instant {
        "payments.deposits is \"instant\": anybody can make money; only for demonstrations"
    } else {
        "deposits wait for confirmation"
    };
    Check { check: "deposits", ok: !instant, detail: detail.to_owned() }
}

/// Where users are, they may forget their passwords.
fn mail(settings: &Settings) -> Option<Check> {
    let shown = settings.shown().ok().filter(|_| settings.holds("auth"))?;
    let (ok, detail) = match shown.pointer("/auth/mail/transport").and_then(|transport| transport.as_str()) {
        Some("smtp") => (true, "mail is sent over SMTP"),
        Some("staff") => (false, "auth.mail.transport is \"staff\": nobody gets any mail; only for demonstrations"),
        _ => (true, "no mail is sent: a forgotten password is reset with `emporium user passwd`, or set auth.mail"),
    };
    Some(Check { check: "mail", ok, detail: detail.to_owned() })
}

fn listeners(settings: &Settings) -> Vec<Check> {
    let check = |check, address: &str| match TcpListener::bind(address) {
        Ok(_) => Check { check, ok: true, detail: format!("{address} is free") },
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Check { check, ok: true, detail: format!("{address} is in use; by a running server, it is to be hoped") }
        }
        Err(error) => Check { check, ok: false, detail: format!("{address}: {error}") },
    };
    let general = &settings.general;
    vec![check("public address", &general.listen), check("management address", &general.management.listen)]
}

async fn databases(context: &Context, settings: &Settings) -> Vec<Check> {
    let modules = match Modules::open(settings, Mode::ReadOnly, &context.clock, &context.random) {
        Ok(modules) => modules,
        Err(error) => {
            let absent = matches!(error.downcast_ref(), Some(OpenError::File { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound);
            let detail = if absent { "will be created by `emporium serve`".to_owned() } else { format!("{error:#}") };
            return vec![Check { check: "databases", ok: absent, detail }];
        }
    };
    let mut checks = vec![Check { check: "databases", ok: true, detail: "open and up to date".to_owned() }];
    #[cfg(feature = "auth")]
    if let Some(users) = modules.find::<emporium_auth::Users>() {
        checks.push(match users.waiting_mail().await {
            Ok(emporium_auth::Waiting { all, in_vain }) => {
                let detail = format!("{all} wait to be sent, {in_vain} of them were tried already");
                Check { check: "mail queue", ok: true, detail }
            }
            Err(error) => Check { check: "mail queue", ok: false, detail: format!("could not be checked: {error}") },
        });
    }
    for (check, proof) in modules.proofs("doctor") {
        checks.push(match proof.await {
            Ok(audit) => {
                let first = audit.findings.first().map(|f| format!("{}: {}: {}", f.invariant, f.subject, f.detail));
                let detail = first.unwrap_or_else(|| format!("{} rows checked, clean", audit.checked));
                Check { check, ok: audit.is_clean(), detail }
            }
            Err(error) => Check { check, ok: false, detail: format!("could not be checked: {error}") },
        });
    }
    checks
}
