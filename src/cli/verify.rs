//! The proof that stock, money and orders are right: `stock verify`, `wallet verify`, `order verify`, and hourly.

use emporium_inventory_api::Inventory;
use emporium_kernel::{Audit, Call};
use emporium_wallet_api::Wallet;

use super::output::Output;
use super::refused;
use crate::wiring::Modules;

/// An audit, or why there is none.
pub type Audited = (&'static str, anyhow::Result<Audit>);

/// Every audit of what this process holds, each with time of its own.
pub async fn all(modules: &Modules, call: &Call) -> Vec<Audited> {
    let mut audits: Vec<Audited> = Vec::new();
    if let Some(stock) = &modules.inventory {
        audits.push(("inventory", stock.verify(&call.afresh(), ()).await.map_err(refused)));
    }
    if let Some(ledger) = &modules.wallet {
        audits.push(("wallet", Wallet::verify(&**ledger, &call.afresh(), ()).await.map_err(refused)));
    }
    if let Some(shop) = &modules.shop {
        audits.push(("order", shop.verify(call).await.map_err(refused)));
    }
    audits
}

/// Prints an audit; the exit code is 1 when something is wrong.
pub fn report(out: Output, audit: &Audit) -> u8 {
    out.show(audit, |audit| {
        let findings = audit.findings.iter().map(|f| format!("{}: {}: {}\n", f.invariant, f.subject, f.detail));
        let verdict = if audit.is_clean() { "clean" } else { "WRONG" };
        format!("{}{} rows checked: {verdict}", findings.collect::<String>(), audit.checked)
    });
    u8::from(!audit.is_clean())
}
