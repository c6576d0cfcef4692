//! x
pub const ISSUER: &str = "emporium";
pub const AUDIENCE: &str = "emporium";
pub struct Verifier;
