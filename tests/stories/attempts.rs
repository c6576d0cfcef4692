//! What people ask of a shop that may be gone at any moment, what its answers promise, and what is changed by what is
//! done.

use emporium_kernel::Role;
use serde_json::{Value, json};

use crate::books::Books;
use crate::deployment::{Deployment, Person};
use crate::request::{Request, post};

/// What is sold: each with its price in cents.
pub const GOODS: [(&str, i64); 2] = [("PEN", 100), ("INK", 250)];

/// Everybody who asks.
pub struct Company {
    pub customers: Vec<Person>,
    pub staff: Person,
}

impl Company {
    /// Gives everybody a new token.
    pub fn renew(&mut self, shop: &Deployment) {
        self.customers.iter_mut().for_each(|customer| *customer = shop.again(customer));
        self.staff = shop.in_role(&self.staff, Role::Staff);
    }
}

/// What is asked. It is always about one customer, though some of it is asked by staff.
#[derive(Clone, Debug)]
pub enum What {
    /// By the customer: so many pieces of each of the goods.
    Order { pieces: [i64; 2] },
    /// By the customer: an order of their own, which is asked once for each order at most.
    Cancel { order: String },
    /// By the customer.
    Transfer { to: usize, cents: i64 },
    /// By the customer.
    Deposit { cents: i64 },
    /// By the customer.
    Withdraw { cents: i64 },
    /// By staff: pays a withdrawal or rejects it, once for each withdrawal at most.
    Decide { withdrawal: String, cents: i64, pay: bool },
    /// By staff.
    Credit { cents: i64 },
    /// By staff.
    Debit { cents: i64 },
    /// By staff.
    Adjust { good: usize, by: i64 },
    /// By staff, who count what cannot be there: always refused.
    Miscount { good: usize },
}

/// What an answer promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It is done.
    Done,
    /// It goes on, and ends one way or the other.
    Accepted,
    /// Nothing was changed.
    Refused,
    /// Nobody knows whether it was done.
    Unknown,
}

/// One request as the one who sent it knows it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The customer whom it is about.
    pub client: usize,
    pub key: String,
    pub what: What,
    /// Status and body; `None` when the process was gone.
    pub answer: Option<(u16, Value)>,
}

impl Attempt {
    pub fn request<'a>(&self, company: &'a Company) -> Request<'a> {
        let (own, staff) = (&company.customers[self.client], &company.staff);
        let wallet = |what: &str| format!("/v1/admin/wallets/{}/{what}", own.id);
        let (who, path, body) = match &self.what {
            What::Order { pieces } => (own, "/v1/orders".to_owned(), order(pieces)),
            What::Cancel { order } => (own, format!("/v1/orders/{order}/cancel"), json!({})),
            What::Transfer { to, cents } => {
                let body = json!({"to": company.customers[*to].id, "amount": usd(*cents), "note": self.key});
                (own, "/v1/wallet/transfers".to_owned(), body)
            }
            What::Deposit { cents } => (own, "/v1/wallet/deposits".to_owned(), json!({"amount": usd(*cents)})),
            What::Withdraw { cents } => (own, "/v1/wallet/withdrawals".to_owned(), json!({"amount": usd(*cents)})),
            What::Decide { withdrawal, pay, .. } => {
                let decision = if *pay { "pay" } else { "reject" };
                (staff, format!("/v1/admin/withdrawals/{withdrawal}/{decision}"), json!({}))
            }
            What::Credit { cents } => (staff, wallet("credit"), json!({"amount": usd(*cents), "reason": self.key})),
            What::Debit { cents } => (staff, wallet("debit"), json!({"amount": usd(*cents), "reason": self.key})),
            What::Adjust { good, by } => {
                let row = json!({"sku": GOODS[*good].0, "delta": by, "reason": self.key});
                (staff, "/v1/admin/stock/adjustments".to_owned(), json!({"adjustments": [row]}))
            }
            What::Miscount { good } => {
                let row = json!({"sku": GOODS[*good].0, "set": 7, "expected_on_hand": 1, "reason": self.key});
                (staff, "/v1/admin/stock/adjustments".to_owned(), json!({"adjustments": [row]}))
            }
        };
        post(&path).by(who).keyed(&self.key).json(&body)
    }

    /// What the answer promises; one that nobody may get stops the story.
    pub fn promise(&self) -> Promise {
        let Some((status, body)) = &self.answer else { return Promise::Unknown };
        match (*status, body["code"].as_str()) {
            (200 | 201, _) => Promise::Done,
            (202, _) => Promise::Accepted,
            (402, Some("insufficient_funds")) => Promise::Refused,
            (409, Some("order_cancelled" | "not_allowed" | "stock_changed")) => Promise::Refused,
            // Its own words: the request may have been carried out.
            (503, Some("unreachable")) => Promise::Unknown,
            (503, Some("busy" | "storage_full" | "deadline_exceeded")) => Promise::Refused,
            _ => panic!("{self:?}"),
        }
    }

    /// The line of the books that says that it was done; `id` names what it made.
    pub fn line(&self, id: &str) -> (&'static str, String) {
        match &self.what {
            What::Order { .. } => ("placed order", id.to_owned()),
            What::Cancel { order } => ("cancelled order", order.clone()),
            What::Deposit { .. } => ("deposit", id.to_owned()),
            What::Withdraw { .. } => ("withdrawal", id.to_owned()),
            What::Decide { withdrawal, pay: true, .. } => ("paid withdrawal", withdrawal.clone()),
            What::Decide { withdrawal, pay: false, .. } => ("rejected withdrawal", withdrawal.clone()),
            What::Transfer { .. } | What::Credit { .. } | What::Debit { .. } => ("ledger", self.key.clone()),
            What::Adjust { .. } | What::Miscount { .. } => ("stock", self.key.clone()),
        }
    }

    /// Writes into the books that it was done.
    pub fn book(&self, id: &str, books: &mut Books) {
        *books.lines.entry(self.line(id)).or_default() += 1;
        let (available, on_hand) = (&mut books.available, &mut books.on_hand);
        match &self.what {
            What::Order { pieces } => {
                for (good, pieces) in pieces.iter().enumerate() {
                    on_hand[good] -= pieces;
                    available[self.client] -= pieces * GOODS[good].1;
                }
            }
            What::Transfer { to, cents } => {
                available[self.client] -= cents;
                available[*to] += cents;
            }
            What::Deposit { cents } | What::Credit { cents } => available[self.client] += cents,
            What::Withdraw { cents } | What::Debit { cents } => available[self.client] -= cents,
            What::Decide { pay: false, cents, .. } => available[self.client] += cents,
            What::Adjust { good, by } => on_hand[*good] += by,
            What::Cancel { .. } | What::Decide { pay: true, .. } | What::Miscount { .. } => {}
        }
    }
}

fn usd(cents: i64) -> Value {
    json!({"amount": cents, "currency": "USD"})
}

fn order(pieces: &[i64; 2]) -> Value {
    let wanted = GOODS.iter().zip(pieces).filter(|(_, pieces)| **pieces > 0);
    let items: Vec<Value> = wanted.map(|((sku, _), pieces)| json!({"sku": sku, "quantity": pieces})).collect();
    json!({"items": items, "payment": {"method": "wallet"}})
}
