//! emporium-auth
