//! The page on which the API can be read and tried: Swagger UI, carried along so that it loads nothing from elsewhere.

use std::io::Read;

use actix_web::body::BoxBody;
use actix_web::http::header::{AcceptEncoding, CONTENT_ENCODING, ContentEncoding, Encoding, Header, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use emporium_kernel::{DescribeAnswer, Operation, Outage, Problem};
use flate2::read::GzDecoder;
use schemars::SchemaGenerator;

/// A part of the page.
pub struct Part {
    kind: &'static str,
    bytes: &'static [u8],
    packed: bool,
}

/// The part of this name.
pub fn part(name: &str) -> Option<Part> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    macro_rules! vendored {
        ($name:literal) => {
            include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"))
        };
    }
    let (kind, bytes, packed): (_, &[u8], _) = match name {
        "index.html" => ("text/html; charset=utf-8", include_bytes!("page/index.html"), false),
        "begin.js" => (SCRIPT, include_bytes!("page/begin.js"), false),
        "swagger-ui.css" => (STYLE, vendored!("swagger-ui.css"), true),
        "swagger-ui-bundle.js" => (SCRIPT, vendored!("swagger-ui-bundle.js"), true),
        "swagger-ui-standalone-preset.js" => (SCRIPT, vendored!("swagger-ui-standalone-preset.js"), true),
        _ => return None,
    };
    Some(Part { kind, bytes, packed })
}

/// Whether whoever asks can unpack.
fn unpacks(request: &HttpRequest) -> bool {
    let supported = [Encoding::gzip(), Encoding::identity()];
    let negotiated = AcceptEncoding::parse(request).ok().and_then(|accepted| accepted.negotiate(supported.iter()));
    negotiated == Some(Encoding::gzip())
}

impl Responder for Part {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        answer.content_type(self.kind);
        if !self.packed {
            return answer.body(self.bytes);
        }
        answer.insert_header((VARY, "accept-encoding"));
        if unpacks(request) {
            return answer.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip)).body(self.bytes);
        }
        let mut plain = Vec::new();
        match GzDecoder::new(self.bytes).read_to_end(&mut plain) {
            Ok(_) => answer.body(plain),
            Err(error) => {
                tracing::error!(%error, "a part of the page of documentation cannot be unpacked");
                Problem::from(Outage::Internal).error_response()
            }
        }
    }
}

impl DescribeAnswer for Part {
    fn describe_answer(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.answers(200, None);
    }
}
