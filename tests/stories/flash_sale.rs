//! A flash sale: two thousand buyers at once for a hundred pieces.

use futures_util::StreamExt;

use crate::deployment::{Deployment, Person, Shape};
use crate::request::{get, order_of, post};

everywhere!(exactly_a_hundred_of_two_thousand_buyers_get_one);

const PIECES: usize = 100;
const BUYERS: usize = 2_000;

async fn make_buyer(shop: &Deployment) -> Person {
    let buyer = shop.buyer();
    shop.deposit(&buyer, 5_000).await;
    buyer
}

async fn exactly_a_hundred_of_two_thousand_buyers_get_one(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("DROP", 4_900, i64::try_from(PIECES).expect("small")).await;
    let buyers: Vec<Person> =
        futures_util::stream::iter(0..BUYERS).map(|_| make_buyer(&shop)).buffer_unordered(128).collect().await;
    let started = std::time::Instant::now();
    let replies: Vec<_> = futures_util::stream::iter(&buyers)
        .map(|buyer| shop.send_patiently(post("/v1/orders").by(buyer).once().json(&order_of("DROP", 1))))
        .buffer_unordered(256)
        .collect()
        .await;
    let took = started.elapsed();
    shop.until_all_are_terminal().await;
    let (mut placed, mut sold_out) = (0, 0);
    for reply in &replies {
        match shop.fate(reply).await.as_str() {
            "placed" => placed += 1,
            "out_of_stock" => sold_out += 1,
            other => panic!("{other}: {reply:?}"),
        }
    }
    println!("flash sale: {placed} placed and {sold_out} refused in {took:?}");
    assert_eq!((placed, sold_out), (PIECES, BUYERS - PIECES));
    let orders = shop.send(get("/v1/admin/orders?status=placed&include=total&limit=1").by(&shop.staff())).await;
    assert_eq!(orders.expect(200)["total"], PIECES);
    assert_eq!(shop.shelf("DROP").await, (0, 0));
    shop.verify();
}
