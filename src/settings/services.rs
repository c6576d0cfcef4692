//! How modules of this process meet modules of other processes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{MODULES, Settings};

/// How modules of this process meet modules of other processes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The file with the key that proves who calls; empty for `service.key` in the data folder.
    pub key_file: String,
    /// Whom the internal routes let in: public keys by the module that calls.
    pub trusted: BTreeMap<String, Vec<String>>,
    /// Whether other machines may be called without TLS.
    pub insecure_http: bool,
    /// The longest a call may take.
    pub timeout_millis: u64,
    /// Calls on their way to one neighbour at the same time; the next is refused at once.
    pub calls_at_once: usize,
}

impl Services {
    /// Every key of every trusted service.
    pub fn trusted_keys(&self) -> anyhow::Result<Vec<(String, [u8; 32])>> {
        let mut keys = Vec::new();
        for (module, texts) in &self.trusted {
            ensure!(MODULES.contains(&module.as_str()), "services.trusted.{module}: there is no such module");
            for text in texts {
                let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
                let key = bytes.ok_or_else(|| anyhow!("{text:?} is no public key as `emporium config key` prints it"));
                keys.push((module.clone(), key.with_context(|| format!("services.trusted.{module}"))?));
            }
        }
        Ok(keys)
    }
}

impl Settings {
    /// The file with this process's key.
    pub fn service_key_file(&self) -> PathBuf {
        match self.general.services.key_file.as_str() {
            "" => self.general.data.join("service.key"),
            named => PathBuf::from(named),
        }
    }

    /// Names every mistake in how processes meet.
    pub fn check_services(&self) -> anyhow::Result<()> {
        let Services { timeout_millis, calls_at_once, .. } = &self.general.services;
        ensure!((1..=60_000).contains(timeout_millis), "services.timeout_millis is {timeout_millis}; write 1 to 60000");
        ensure!((1..=65_536).contains(calls_at_once), "services.calls_at_once is {calls_at_once}; write 1 to 65536");
        for module in MODULES.iter().filter(|module| self.has_peer(module)) {
            self.peer(module)?;
        }
        self.general.services.trusted_keys().map(drop)
    }

    /// Whether it is known where a module of another process is.
    pub fn has_peer(&self, module: &str) -> bool {
        self.general.modules.places.get(module).is_some_and(|place| !place.url.is_empty())
    }

    /// The management address of the process that holds a module.
    pub fn peer(&self, module: &str) -> anyhow::Result<String> {
        let text = self.general.modules.places.get(module).map_or("", |place| place.url.as_str());
        // What cannot be read may hold a password as well.
        let url = Url::parse(text).with_context(|| format!("modules.{module}.url; write it as http://host:port"))?;
        let secret = !url.username().is_empty() || url.password().is_some();
        ensure!(!secret, "modules.{module}.url holds a name or a password; write it as http://host:port");
        let plain = url.query().is_none() && url.path() == "/" && url.fragment().is_none();
        let key = || format!("modules.{module}.url is {text:?}");
        ensure!(plain, "{}: write it as http://host:port", key());
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => anyhow::bail!("{}: it begins with http:// or https://", key()),
        };
        ensure!(
            encrypted || is_this_machine(&url) || self.general.services.insecure_http,
            "{}: another machine is called over https; where the network itself keeps strangers out, set \
             services.insecure_http",
            key()
        );
        Ok(url.origin().ascii_serialization())
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::tests::load;

    #[test]
    fn a_neighbour_is_called_over_tls_or_on_this_machine() {
        let peer = |url: &str, further: &str| {
            load(&format!("[modules]\nauth.url = \"{url}\"\n{further}")).expect("valid").peer("auth")
        };
        for url in [
            "http://127.0.0.1:9090",
            "http://localhost:9090/",
            "http://[::1]:9090",
            "https://auth.example:443",
            " http://127.0.0.1:9090 ",
        ] {
            let written = url.trim().trim_end_matches('/').trim_end_matches(":443");
            assert_eq!(peer(url, "").expect(url), written);
        }
        for url in
            ["", "auth:9090", "ftp://127.0.0.1", "http://127.0.0.1/api", "http://u:p@127.0.0.1", "http://127.0.0.1/?x"]
        {
            assert!(peer(url, "").is_err(), "{url}");
        }
        let insecure = "http://10.0.0.7:9090";
        assert!(format!("{:#}", peer(insecure, "").expect_err("in the clear")).contains("insecure_http"));
        assert_eq!(peer(insecure, "[services]\ninsecure_http = true").expect("asked for"), insecure);
    }

    #[test]
    fn a_trusted_key_is_one() {
        let keys = |text: &str| load(&format!("[services]\n{text}")).expect("valid").general.services.trusted_keys();
        let key = "A".repeat(43);
        assert_eq!(keys(&format!("trusted.shop = [\"{key}\"]")).expect("a key"), [("shop".to_owned(), [0; 32])]);
        assert!(keys("").expect("none").is_empty());
        for bad in ["trusted.shop = [\"short\"]", "trusted.shpo = []", "trusted.shop = [\"\"]"] {
            assert!(keys(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn what_would_stop_every_call_is_refused() {
        let check = |text: &str| load(text).expect("reads").check_services();
        check("").expect("the defaults are good");
        for bad in [
            "[services]\ntimeout_millis = 0",
            "[services]\ncalls_at_once = 0",
            "[services]\ncalls_at_once = 2305843009213693952",
            "[modules]\nshop.url = \"nowhere\"",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for bad in ["https://u:s3cret@host", "https://u:s3cret@host:70000", "https://u:s3cret@ho st"] {
            let error = check(&format!("[modules]\nshop.url = \"{bad}\"")).expect_err("a password");
            assert!(!format!("{error:#}").contains("s3cret"), "{error:#}");
        }
    }
}
