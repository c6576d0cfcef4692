//! What customers ask of a shop.

use std::sync::Arc;

use rand::RngExt;
use rand::rngs::SmallRng;
use serde_json::json;

use crate::catalogue;
use crate::people::Person;
use crate::request::{get, post, write_post};
use crate::shop::{PASSWORD, REGISTERED, email};

/// Writes the next request.
pub type Ask = Arc<dyn Fn(&mut SmallRng, &mut Vec<u8>) + Send + Sync>;

/// Products that are read often.
const OFTEN_READ: usize = 100;

/// People of a load.
pub type People = Arc<Vec<Person>>;

/// Always the same request.
pub fn same(path: &str) -> Ask {
    any_of(vec![get(path)])
}

/// One of these requests.
pub fn any_of(requests: Vec<Vec<u8>>) -> Ask {
    Arc::new(move |random, into| {
        if let Some(request) = requests.get(random.random_range(0..requests.len())) {
            into.extend_from_slice(request);
        }
    })
}

/// The page of one product, the same for everybody.
pub fn one_product() -> Ask {
    same(&format!("/v1/products/{}", catalogue::slug(0)))
}

/// The page of one of a hundred products.
pub fn hundred_products() -> Ask {
    any_of((0..OFTEN_READ).map(|number| get(&format!("/v1/products/{}", catalogue::slug(number)))).collect())
}

/// The first page of all products.
pub fn list() -> Ask {
    same("/v1/products?limit=25")
}

/// A search for one of twenty words.
pub fn search() -> Ask {
    any_of(catalogue::WORDS.iter().map(|word| get(&format!("/v1/products?q={word}"))).collect())
}

/// A login of one of those who registered.
pub fn login() -> Ask {
    let body = |number| json!({"email": email(number), "password": PASSWORD});
    any_of((0..REGISTERED).map(|number| post("/v1/auth/login", None, &body(number))).collect())
}

/// A transfer of up to five dollars from anybody to anybody else who registered.
pub fn transfer(people: &People) -> Ask {
    let people = people.clone();
    Arc::new(move |random, into| {
        let from = random.random_range(0..people.len());
        // One less to choose from for those who could meet themselves.
        let other = random.random_range(0..if from < REGISTERED { REGISTERED - 1 } else { REGISTERED });
        let to = if other >= from { other + 1 } else { other };
        let (Some(from), Some(to)) = (people.get(from), people.get(to)) else { return };
        let amount = random.random_range(1..=500);
        let body = format!(r#"{{"to":"{}","amount":{{"amount":{amount},"currency":"USD"}}}}"#, to.id);
        write_post(into, "/v1/wallet/transfers", Some(from), &body);
    })
}

/// An order of one piece of one or two SKUs.
pub fn order(people: &People) -> Ask {
    let people = people.clone();
    Arc::new(move |random, into| {
        let Some(buyer) = people.get(random.random_range(0..people.len())) else { return };
        let body = format!(r#"{{"items":{},"payment":{{"method":"wallet"}}}}"#, lines(random));
        write_post(into, "/v1/orders", Some(buyer), &body);
    })
}

/// A new cart of somebody.
fn cart(people: &People) -> Ask {
    let people = people.clone();
    Arc::new(move |random, into| {
        let Some(buyer) = people.get(random.random_range(0..people.len())) else { return };
        let body = format!(r#"{{"items":{}}}"#, lines(random));
        write_post(into, "/v1/carts", Some(buyer), &body);
    })
}

fn lines(random: &mut SmallRng) -> String {
    let first = random.random_range(0..catalogue::PRODUCTS);
    let second = (first + random.random_range(1..catalogue::PRODUCTS)) % catalogue::PRODUCTS;
    let line = |number| format!(r#"{{"sku":"{}","quantity":1}}"#, catalogue::sku(number));
    if random.random_bool(0.5) { format!("[{}]", line(first)) } else { format!("[{},{}]", line(first), line(second)) }
}

/// A day in the shop: of a hundred requests 80 read a product, 10 look around, 4 fill a cart, 3 order and 3 send money.
pub fn mixed(people: &People) -> Ask {
    let (read, list, search) = (hundred_products(), list(), search());
    let (cart, order, transfer) = (cart(people), order(people), transfer(people));
    Arc::new(move |random, into| {
        let ask = match random.random_range(0..100) {
            0..80 => &read,
            80..85 => &list,
            85..90 => &search,
            90..94 => &cart,
            94..97 => &order,
            _ => &transfer,
        };
        ask(random, into);
    })
}
