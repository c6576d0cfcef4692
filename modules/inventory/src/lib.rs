//! emporium-inventory
