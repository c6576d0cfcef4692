//! The keys that there are.

use anyhow::Context;
use figment::Figment;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The keys of the first level; a module's section is checked by the module.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the names matter")]
struct Known {
    data: IgnoredAny,
    listen: IgnoredAny,
    keep_alive_secs: IgnoredAny,
    proxies: IgnoredAny,
    workers: IgnoredAny,
    pin_workers: IgnoredAny,
    management: IgnoredAny,
    log: IgnoredAny,
    modules: IgnoredAny,
    services: IgnoredAny,
    payments: IgnoredAny,
    docs: IgnoredAny,
    auth: Option<IgnoredAny>,
    inventory: Option<IgnoredAny>,
    shop: Option<IgnoredAny>,
    wallet: Option<IgnoredAny>,
}

/// Refuses keys that there are not.
pub(super) fn refuse_unknown(layers: &Figment) -> anyhow::Result<()> {
    layers.extract::<Known>().map(drop).context("the configuration is not valid")
}
