//! Cursors, whatever the size of the pages and however the list grows between them: every product that was there at
//! the start is shown once, and none is shown twice.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Api, World, get, post, product};
use proptest::collection::vec;
use proptest::prelude::*;

const SORTS: [&str; 6] = ["created_at", "-created_at", "title", "-title", "price", "-price"];

/// What is put on sale before the walk and between its pages: a title, a price, and seconds until the next.
type Batch = Vec<(u8, u8, u8)>;

async fn sell(world: &World, app: &Api, batch: &Batch, next: &mut u32) -> Vec<String> {
    let mut ids = Vec::new();
    for (title, price, pause) in batch {
        *next += 1;
        let body = product(&format!("Thing {}", title % 4), &format!("T-{next}"), i64::from(price % 4) * 100);
        let made = post("/v1/admin/products").by("staff").json(&body).to(app).await.expect(201);
        ids.push(made.text("/id").to_owned());
        world.hand.advance(Duration::from_secs(u64::from(pause % 3)));
    }
    ids
}

async fn walk(sort: &str, limit: usize, first: &Batch, between: &[Batch]) {
    let (world, mut next) = (World::new(), 0);
    let app = world.app().await;
    let there: BTreeSet<String> = sell(&world, &app, first, &mut next).await.into_iter().collect();
    let (mut shown, mut after, mut growth) = (Vec::new(), String::new(), between.iter());
    loop {
        let page = get(&format!("/v1/products?sort={sort}&limit={limit}{after}")).to(&app).await.expect(200);
        shown.extend(page.column("id").into_iter().map(str::to_owned));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
        if let Some(batch) = growth.next() {
            sell(&world, &app, batch, &mut next).await;
        }
    }
    let once: BTreeSet<String> = shown.iter().cloned().collect();
    assert_eq!(once.len(), shown.len(), "nothing is shown twice");
    assert!(there.is_subset(&once), "nothing is skipped");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_row_is_skipped_or_seen_twice_while_the_list_grows(
        sort in 0..SORTS.len(),
        limit in 1..6_usize,
        first in vec(any::<(u8, u8, u8)>(), 0..15),
        between in vec(vec(any::<(u8, u8, u8)>(), 0..3), 0..6),
    ) {
        actix_web::rt::System::new().block_on(walk(SORTS[sort], limit, &first, &between));
    }
}
