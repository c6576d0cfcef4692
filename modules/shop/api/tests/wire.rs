//! The wire form of the contract: a change here is a change for every process that calls it.

use emporium_kernel::{After, Event, Events, Outage, Timestamp};
use emporium_shop_api::FeedError;
use serde_json::json;

#[test]
fn the_feed_keeps_its_form() {
    let ask = After { number: 7, limit: 100 };
    assert_eq!(serde_json::to_value(ask).ok(), Some(json!({"number": 7, "limit": 100})));
    let event = Event {
        number: 8,
        topic: "order.placed".to_owned(),
        subject: "ord_1".to_owned(),
        body: json!({"status": "placed"}),
        at: Timestamp::from_micros(0),
    };
    let events = Events { events: vec![event] };
    let written = json!({"events": [{
        "number": 8, "topic": "order.placed", "subject": "ord_1", "body": {"status": "placed"},
        "at": "1970-01-01T00:00:00.000000Z",
    }]});
    assert_eq!(serde_json::to_value(&events).ok().as_ref(), Some(&written));
    assert_eq!(serde_json::from_value::<Events>(written).ok(), Some(events));
    let down = FeedError::from(Outage::Unreachable);
    assert_eq!(serde_json::to_value(down).ok(), Some(json!({"code": "unreachable"})));
}
