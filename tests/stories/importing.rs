//! A shop owner brings a catalogue from a Shopify file, twice, and takes it away again.

use serde_json::json;

use crate::deployment::{Deployment, LOST_COMMITS, Shape, write};
use crate::request::get;

in_one_process!(a_file_arrives_whole_and_a_second_time_changes_nothing, a_file_that_cannot_be_read_changes_nothing,);

const FILE: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Variant Compare At Price\n\
shirt,Linen Shirt,\"<p>Cool in summer.\n<em>Washes well.</em></p>\",Loom & Co,Clothing,\"summer, linen\",true,Size,S,SHIRT-S,4,59.00,69.00\n\
shirt,,,,,,,,M,,-3,59.00,\n\
shirt,,,,,,,,L,SHIRT-S,2,61.50,\n\
card,Gift Card,A card.,Store,Gifts,,true,Title,Default Title,'CARD-1,10,0,\n";

async fn a_file_arrives_whole_and_a_second_time_changes_nothing(shape: Shape) {
    // An import counts what it finds different, and after a lost answer it finds nothing.
    let mut shop = Deployment::start_with(shape, &[(LOST_COMMITS, "no".to_owned())]);
    shop.stop();
    let file = write(&shop.data(), "products.csv", FILE);
    let file = file.to_str().expect("text");
    let planned = shop.told(&["product", "import", file, "--dry-run"], 1);
    assert_eq!((&planned["dry_run"], &planned["products"]["created"]), (&json!(true), &json!(2)));
    let first = shop.told(&["product", "import", file], 1);
    assert_eq!((&first["products"]["created"], &first["skus_created"]), (&json!(2), &json!(4)));
    let codes: Vec<&str> =
        first["remarks"].as_array().expect("rows").iter().filter_map(|r| r["code"].as_str()).collect();
    assert_eq!(codes.len(), 5, "{first}");
    let second = shop.told(&["product", "import", file], 1);
    assert_eq!(second["products"], json!({"created": 0, "changed": 0, "unchanged": 2, "refused": 0}));
    assert_eq!((&second["skus_created"], &second["stock_set"]), (&json!(0), &json!(0)));

    let out = shop.data().join("out.csv");
    shop.told(&["product", "export", out.to_str().expect("text")], 0);
    let printed = shop.told(&["product", "export"], 0);
    assert_eq!(printed["csv"].as_str(), std::fs::read_to_string(&out).ok().as_deref(), "the same for machines");
    let again = shop.told(&["product", "import", out.to_str().expect("text")], 1);
    assert_eq!(again["remarks"][0]["code"], "price_zero", "the only remark left");
    assert_eq!(
        again["products"],
        json!({"created": 0, "changed": 0, "unchanged": 2, "refused": 0}),
        "export then import is the identity"
    );

    shop.serve();
    let shirt = shop.send(get("/v1/products/shirt")).await.expect(200);
    assert_eq!(shirt["skus"].as_array().map(Vec::len), Some(3));
    assert_eq!(shirt["description"], "<p>Cool in summer.\n<em>Washes well.</em></p>");
    assert_eq!(shirt["skus"][0]["compare_at"]["amount"], 6_900);
    assert_eq!(shop.shelf("SHIRT-S").await, (4, 0));
    assert_eq!(shop.shelf("CARD-1").await, (10, 0));
    let clothing = shop.send(get("/v1/products?category=clothing")).await.expect(200);
    assert_eq!(clothing["data"][0]["slug"], "shirt");
    shop.verify();
}

async fn a_file_that_cannot_be_read_changes_nothing(shape: Shape) {
    let mut shop = Deployment::start(shape);
    shop.stop();
    for (name, text) in [
        ("quotes.csv", FILE.replace("\"summer, linen\"", "\"summer, linen")),
        ("columns.csv", "name,price\nMug,3.00\n".to_owned()),
        ("price.csv", FILE.replace("61.50", "sixty")),
        ("empty.csv", String::new()),
    ] {
        let file = write(&shop.data(), name, &text);
        let refused = shop.told(&["product", "import", file.to_str().expect("text")], 2);
        assert_eq!(refused["error"]["code"], "unreadable_file", "{name}: {refused}");
    }
    let latin = shop.data().join("latin.csv");
    std::fs::write(&latin, FILE.replace("Cool", "K\u{fc}hl").chars().map(|c| c as u8).collect::<Vec<u8>>())
        .expect("writes");
    let refused = shop.told(&["product", "import", latin.to_str().expect("text")], 2);
    assert_eq!(refused["error"]["code"], "unreadable_file", "{refused}");
    shop.serve();
    assert_eq!(shop.send(get("/v1/products")).await.expect(200)["data"], json!([]));
    assert_eq!(shop.send(get("/v1/categories")).await.expect(200)["data"], json!([]));
}
