//! The proof that stock, money and orders are right: `stock verify`, `wallet verify`, `order verify`.

use emporium_kernel::Audit;

use super::output::Output;

/// Prints an audit; the exit code is 1 when something is wrong.
pub fn report(out: Output, audit: &Audit) -> u8 {
    out.show(audit, |audit| {
        let findings = audit.findings.iter().map(|f| format!("{}: {}: {}\n", f.invariant, f.subject, f.detail));
        let verdict = if audit.is_clean() { "clean" } else { "WRONG" };
        format!("{}{} rows checked: {verdict}", findings.collect::<String>(), audit.checked)
    });
    u8::from(!audit.is_clean())
}
