//! emporium-wallet
