//! emporium
