//! What a route can answer in, and whether that is what a request accepts (RFC 9110 section 12.5.1).

use std::sync::OnceLock;

use actix_web::guard::GuardContext;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, Accept, HeaderValue, Quality, QualityItem};
use actix_web::mime::Mime;
use schemars::SchemaGenerator;

use crate::Problem;
use crate::route::Operation;

const JSON: &str = "application/json";

/// The media types that a route documents for its successes.
pub(crate) struct Offer {
    describe: fn(&mut Operation, &mut SchemaGenerator),
    /// Known once somebody asks for something unusual.
    types: OnceLock<Vec<String>>,
}

impl Offer {
    pub(crate) fn new(describe: fn(&mut Operation, &mut SchemaGenerator)) -> Self {
        Self { describe, types: OnceLock::new() }
    }

    fn types(&self) -> &[String] {
        self.types.get_or_init(|| {
            let mut operation = Operation::default();
            (self.describe)(&mut operation, &mut SchemaGenerator::default());
            operation.media_types()
        })
    }

    /// Whether the request accepts any of them. A header with a member that cannot be read asks for nothing: old Java
    /// clients send `*; q=.2` and mean everything.
    pub(crate) fn suits(&self, request: &GuardContext<'_>) -> bool {
        let headers = request.head().headers();
        let mut lines = headers.get_all(ACCEPT).map(HeaderValue::as_bytes);
        if let (None | Some(b"*/*" | b"application/json"), None) = (lines.next(), lines.next()) {
            return true;
        }
        let texts = headers.get_all(ACCEPT).filter_map(|line| line.to_str().ok());
        let members = texts.flat_map(|text| text.split(',')).filter(|member| !member.trim().is_empty()).count();
        let accept = request.header::<Accept>().filter(|accept| !accept.is_empty() && accept.len() == members);
        accept.is_none_or(|accept| self.meets(&accept))
    }

    /// Whoever reads some JSON can be told why there is nothing else, so that is accepted everywhere, unless all that there
    /// is was excluded by name.
    fn meets(&self, accept: &Accept) -> bool {
        let types = self.types();
        let wanted = |range: &QualityItem<Mime>| range.quality > Quality::ZERO;
        let excluded =
            |offered: &String| accept.iter().any(|range| !wanted(range) && range.item.essence_str() == offered);
        let reads_json = accept.iter().any(|range| wanted(range) && is_json(range.item.essence_str()));
        let takes_any = types.iter().any(|offered| admits(accept, offered)) || reads_json || admits(accept, JSON);
        types.is_empty() || (takes_any && !types.iter().all(excluded))
    }

    /// 406 with what there is instead.
    pub(crate) fn refusal(&self) -> Problem {
        let types = self.types();
        let detail = format!("this is answered as {}, which Accept excludes", types.join(" or "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail).with("offered", types)
    }
}

fn is_json(essence: &str) -> bool {
    essence == JSON || essence.ends_with("+json")
}

/// The most precise range that matches decides. Parameters but `q` are not looked at.
fn admits(accept: &Accept, offered: &str) -> bool {
    let ranges = accept.iter();
    let matching = ranges.filter_map(|range| Some((precision(range.item.essence_str(), offered)?, range.quality)));
    matching.max().is_some_and(|(_, quality)| quality > Quality::ZERO)
}

fn precision(range: &str, offered: &str) -> Option<u8> {
    let family = offered.split('/').next();
    match range {
        "*/*" => Some(0),
        range if range == offered => Some(2),
        range if range.strip_suffix("/*") == family => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn data(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers(201, Some(schemas.subschema_for::<String>()));
        operation.answers(202, Some(schemas.subschema_for::<String>()));
        operation.answers_in("text/csv", 409, schemas.subschema_for::<String>());
    }

    fn events(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers_in("text/event-stream", 200, schemas.subschema_for::<String>());
    }

    fn nothing(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.answers(204, None);
    }

    fn suits(describe: fn(&mut Operation, &mut SchemaGenerator), lines: &[&str]) -> bool {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header((ACCEPT, *line));
        }
        let request = request.to_srv_request();
        Offer::new(describe).suits(&request.guard_ctx())
    }

    #[test]
    fn json_is_given_to_whoever_accepts_it() {
        let accepting: [&[&str]; 16] = [
            &[],
            &[""],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["Application/JSON; charset=utf-8"],
            &["application/problem+json"],
            &["application/vnd.api+json"],
            &["application/*+json, text/html"],
            &["text/html, application/json;q=0.001"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["application/*;q=0, application/json"],
            &["*/*;q=0, application/*;q=0.1"],
            &["text/html", "application/json"],
            &["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"],
            &["json"],
        ];
        for lines in accepting {
            assert!(suits(data, lines), "{lines:?}");
        }
    }

    #[test]
    fn json_is_not_given_to_whoever_excludes_it() {
        let excluding: [&[&str]; 9] = [
            &["text/html"],
            &["text/html", "text/csv"],
            &["application/xml, text/*;q=0.5"],
            &["*/*;q=0"],
            &["application/json;q=0"],
            &["application/problem+json, application/json;q=0"],
            &["application/json;q=0.0, */*"],
            &["*/*", "application/*;q=0"],
            &["application/problem+json;q=0"],
        ];
        for lines in excluding {
            assert!(!suits(data, lines), "{lines:?}");
        }
    }

    #[test]
    fn other_forms_are_given_to_whoever_accepts_them_or_json() {
        for line in ["text/event-stream", "text/*", "application/json", "application/problem+json", "*/*;q=0.1"] {
            assert!(suits(events, &[line]), "{line}");
        }
        assert!(!suits(events, &["text/html"]));
        assert!(!suits(events, &["text/event-stream;q=0"]));
        assert!(!suits(events, &["text/event-stream;q=0, */*"]));
    }

    #[test]
    fn an_answer_without_a_body_is_given_to_everybody() {
        assert!(suits(nothing, &["text/html"]));
        assert!(suits(nothing, &["*/*;q=0"]));
    }

    #[test]
    fn a_refusal_says_what_there_is() {
        let problem = Offer::new(data).refusal();
        assert_eq!((problem.status, problem.code.as_str()), (406, "not_acceptable"));
        assert_eq!(problem.facts["offered"], serde_json::json!(["application/json"]));
    }
}
