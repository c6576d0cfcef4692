//! What staff do is written down, and whoever alters that is found out.

use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::request::post;

everywhere!(what_staff_do_is_written_down_and_an_altered_line_is_named,);

async fn what_staff_do_is_written_down_and_an_altered_line_is_named(shape: Shape) {
    let shop = Deployment::start(shape);
    let ada = shop.registered("ada@example.com").await;
    let staff = shop.staff();
    let wallet = |what: &str| format!("/v1/admin/wallets/{}/{what}", ada.id);
    let money = json!({"amount": {"amount": 500, "currency": "USD"}, "reason": "sorry"});
    shop.send(post(&wallet("credit")).by(&staff).keyed("c").json(&money)).await.expect(201);
    shop.send(post(&wallet("credit")).by(&staff).keyed("c").json(&money)).await.expect(201);
    let much = json!({"amount": {"amount": 900, "currency": "USD"}, "reason": "oops"});
    assert_eq!(shop.send(post(&wallet("debit")).by(&staff).once().json(&much)).await.status, 402);
    assert_eq!(shop.send(post(&wallet("freeze")).by(&staff).json(&json!({}))).await.status, 204);

    let told = shop.told(&["audit", "list", "wallet"], 0);
    let rows = told["data"].as_array().expect("rows");
    let done: Vec<_> = rows.iter().map(|row| (row["action"].as_str(), row["subject"].as_str())).collect();
    let whose = Some(ada.id.as_str());
    assert_eq!(done, [(Some("wallet.credited"), whose), (Some("wallet.frozen"), whose)], "once, and no refusal");
    assert!(rows.iter().all(|row| row["actor"] == staff.id.as_str()));
    shop.told(&["audit", "verify"], 0);

    let Some(server) = shop.server() else { return };
    server.told("update walletdb.audit_entry set actor = 'usr_eve' where seq = 2");
    let verified = shop.told(&["audit", "verify"], 1);
    let logs = verified["logs"].as_array().expect("logs");
    let wrong = logs.iter().find(|log| log["module"] == "wallet").expect("the wallet's");
    assert_eq!(wrong["findings"][0]["subject"], "entry 2");
}
