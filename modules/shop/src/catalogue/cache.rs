//! Products in memory for reading, rendered once.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use emporium_database::ReadCache;

/// A product as it is answered.
#[derive(Debug)]
pub struct Rendered {
    /// The JSON.
    pub body: Bytes,
    /// Names this content.
    pub etag: HeaderValue,
}

/// Rendered products by id and by slug.
pub type ProductCache = ReadCache<Arc<Rendered>>;
