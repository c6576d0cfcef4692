//! The live stream, read as a client reads it.
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;
use common::House;
use serde_json::{Value, json};

/// The body of an open stream.
struct Reader(Pin<Box<BoxBody>>);

impl Reader {
    async fn open(house: &House, token: &str, last: Option<&str>) -> Self {
        let headers: Vec<(&str, &str)> = last.iter().map(|last| ("Last-Event-ID", *last)).collect();
        let response = house.response(Method::GET, "/v1/admin/stock/stream", token, &headers, Value::Null).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("content-type").expect("is there"), "text/event-stream");
        let mut reader = Self(Box::pin(response.into_body()));
        assert_eq!(reader.piece().await.as_deref(), Some("retry: 1000\n\n"));
        reader
    }

    /// The next piece; `None` at the end of the stream.
    async fn piece(&mut self) -> Option<String> {
        let next = poll_fn(|context| self.0.as_mut().poll_next(context));
        let piece = tokio::time::timeout(Duration::from_secs(20), next).await.expect("in time");
        piece.map(|bytes| String::from_utf8(bytes.expect("no error").to_vec()).expect("text"))
    }

    /// Number, topic and body of the next event.
    async fn event(&mut self) -> (i64, String, Value) {
        let piece = self.piece().await.expect("an event");
        let field = |name: &str| {
            let line = piece.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().to_owned()
        };
        let number = field("id:").parse().expect("a number");
        (number, field("event:"), serde_json::from_str(&field("data:")).expect("JSON"))
    }
}

#[actix_web::test]
async fn changes_arrive_as_they_are_committed() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let mut reader = Reader::open(&house, "staff", None).await;
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    house.commit("a").await.expect("commits");
    let (first, topic, body) = reader.event().await;
    let expected = json!({
        "sku": "TEA", "location": common::main_id(), "on_hand": 10, "reserved": 4, "available": 6, "supplier": null,
        "kind": "reserve",
    });
    assert_eq!((topic.as_str(), body), ("stock.changed", expected), "what came before is not sent");
    let (second, _, body) = reader.event().await;
    assert_eq!((second, &body["kind"]), (first + 1, &json!("commit")));
}

#[actix_web::test]
async fn a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let mut reader = Reader::open(&house, "staff", Some("0")).await;
    let (number, _, body) = reader.event().await;
    assert_eq!(body["kind"], "receive");
    drop(reader);
    house.reserve("a", &[("TEA", 4)]).await.expect("reserves");
    house.release("a").await;
    let mut reader = Reader::open(&house, "staff", Some(&number.to_string())).await;
    let kinds = [reader.event().await.2["kind"].clone(), reader.event().await.2["kind"].clone()];
    assert_eq!(kinds, ["reserve", "release"]);
}

#[actix_web::test]
async fn a_supplier_hears_only_of_its_own_goods() {
    let house = House::new();
    house.register_of(&["OWN"], Some("usr_supplier")).await;
    house.register_of(&["RIVAL"], Some("usr_rival")).await;
    let mut reader = Reader::open(&house, "supplier", None).await;
    house.receive("RIVAL", None, 5).await;
    house.receive("OWN", None, 6).await;
    assert_eq!(reader.event().await.2["sku"], "OWN");
}

#[actix_web::test]
async fn low_stock_is_heard_of_too() {
    let house = House::new();
    house.fill("TEA", 10).await;
    let mut reader = Reader::open(&house, "staff", None).await;
    let body = json!({"sku": "TEA", "low_stock_threshold": 10});
    house.send(Method::PATCH, "/v1/admin/stock/thresholds", "staff", None, body).await;
    let (_, topic, body) = reader.event().await;
    assert_eq!((topic.as_str(), &body["available"]), ("stock.low", &json!(10)));
}

#[actix_web::test]
async fn a_draining_process_ends_its_streams() {
    let house = House::new();
    let mut reader = Reader::open(&house, "staff", None).await;
    house.stock.drain();
    assert_eq!(reader.piece().await, None);
}

#[actix_web::test]
async fn only_so_many_streams_are_open_and_a_closed_one_makes_room() {
    let house = House::with(emporium_inventory::Settings { most_streams: 1, ..common::settings() });
    let reader = Reader::open(&house, "staff", None).await;
    let refused = house.get("/v1/admin/stock/stream", "staff").await;
    assert_eq!(refused.refusal(), (503, "busy"));
    drop(reader);
    Reader::open(&house, "staff", None).await;
}

#[actix_web::test]
async fn a_stream_ends_in_time_for_a_fresh_token() {
    let house = House::with(emporium_inventory::Settings { stream_secs: 1, ..common::settings() });
    let mut reader = Reader::open(&house, "staff", None).await;
    assert_eq!(reader.piece().await, None);
}

#[actix_web::test]
async fn a_malformed_last_event_id_is_refused() {
    let house = House::new();
    for bad in ["x", "-1", "1.5"] {
        let headers = [("Last-Event-ID", bad)];
        let response = house.response(Method::GET, "/v1/admin/stock/stream", "staff", &headers, Value::Null).await;
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[actix_web::test]
async fn a_stream_is_opened_for_whoever_reads_events() {
    let house = House::new();
    let asked = [("text/event-stream", 200), ("text/*", 200), ("application/json", 200), ("text/html", 406)];
    for (accept, status) in asked {
        let headers = [("Accept", accept)];
        let response = house.response(Method::GET, "/v1/admin/stock/stream", "staff", &headers, Value::Null).await;
        assert_eq!(response.status(), status, "{accept}");
    }
}
