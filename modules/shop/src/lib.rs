//! emporium-shop
