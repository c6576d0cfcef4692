//! Answers say what the document promises and nothing else: no secret, and of other customers no address.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use emporium_kernel::Role;
use serde_json::{Value, json};

use crate::deployment::{Deployment, Person, Shape};
use crate::openapi::{operations, reachable};
use crate::request::{Reply, Request, any, get, order_of, post};

const PASSWORD: &str = "correct horse battery";

/// Fields of responses that are called like something secret, and why.
const SHOWN: [(&str, &str); 8] = [
    ("Address.postal_code", "is no secret"),
    ("Cart.token", "opens a guest's cart; shown once, to the guest who made it"),
    ("FieldError.code", "says what is wrong with a field"),
    ("NewInvitation.token", "shown once, to the admin who invites, where no mail leaves"),
    ("Problem.code", "says what kind of refusal it is"),
    ("ProposedView.secret", "shown once, to whom the authenticator belongs"),
    ("TokensView.access_token", "is what somebody logs in for"),
    ("TokensView.refresh_token", "is what somebody logs in for"),
];

/// Its four fields are whatever each module knows of the reader: the document promises nothing of what is in them.
const EXPORT: &str = "/v1/me/export";

/// Operations whose answers need not be heard, and why.
const UNHEARD: [(&str, &str); 12] = [
    ("GET /openapi.json", "is the document itself"),
    ("GET /v1/admin/mail", "needs mail that is kept for staff"),
    ("GET /v1/admin/orders/unfinished", "orders are finished when they are answered"),
    ("POST /v1/admin/deposits/{id}/reject", "stories credit deposits at once"),
    ("POST /v1/admin/orders/{id}/cancel", "orders are placed before anybody cancels them"),
    ("POST /v1/auth/password/forgot", "needs mail"),
    ("POST /v1/auth/register/confirm", "needs a code that was mailed"),
    ("POST /v1/me/email", "needs mail"),
    ("POST /v1/me/email/confirm", "needs a code that was mailed"),
    ("POST /v1/me/totp/confirm", "needs an authenticator"),
    ("POST /v1/me/totp/recovery-codes", "needs an authenticator"),
    ("POST /v1/orders/{id}/cancel", "orders are placed before anybody cancels them"),
];

#[tokio::test]
async fn no_response_names_a_secret_but_where_it_is_meant() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let (hiding, mut named) = (hiding_columns(), BTreeSet::new());
    for (method, path, operation) in operations(&document) {
        note(&document, &format!("{method} {path}"), &operation["responses"], &mut named);
    }
    assert!(named.len() > 400 && hiding.contains("password_hash") && hiding.contains("sealed"), "{hiding:?}");
    // The column itself, and what it hides, as the `password` of `password_hash`.
    let is_secret = |field: &&str| {
        let name = field.rsplit('.').next().unwrap_or_default();
        let is = |secret: &str| name == secret || name.ends_with(&format!("_{secret}"));
        hiding.iter().any(|column| is(column) || column.strip_suffix("_hash").is_some_and(is))
    };
    let shown: BTreeSet<&str> = named.iter().map(String::as_str).filter(is_secret).collect();
    assert_eq!(shown, BTreeSet::from(SHOWN.map(|(field, _)| field)));
}

#[tokio::test]
async fn every_answer_says_only_what_its_operation_promises() {
    let shop = Deployment::start(Shape::OnSqlite);
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let (hiding, made, heard) = (hiding_columns(), Made::default(), BTreeSet::new());
    let mut witness = Witness { shop, document, hiding, made, heard };
    let secret = std::fs::read_to_string(witness.shop.data().join("bootstrap-secret")).expect("the secret");
    let boss = json!({"secret": secret.trim(), "email": "boss@example.com", "password": PASSWORD, "name": "Boss"});
    let boss = witness.user("/v1/auth/bootstrap", boss).await;
    witness.carry_out(opening(&boss)).await;
    let eve = json!({"token": witness.made.0["token"], "password": PASSWORD, "name": "Eve"});
    witness.user("/v1/auth/invitations/accept", eve).await;
    let ada = json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada"});
    let ada = witness.user("/v1/auth/register", ada).await;
    let (main, other) = (format!("loc_{}", "0".repeat(26)), &witness.made.0["loc"]);
    let moved = json!({"sku": "PEN", "from": main, "to": other, "quantity": 1});
    witness.succeed("POST", "/v1/admin/stock/transfers", Some(&boss), moved).await;
    witness.carry_out(belongings(&ada)).await;
    witness.carry_out(paying(&ada, &boss)).await;
    witness.carry_out(shopping(&ada)).await;
    witness.read_in_every_role(&ada).await;

    let answers = |operation: &Value| {
        let responses = &operation["responses"];
        ["200", "201", "202"].into_iter().any(|status| responses[status]["content"]["application/json"].is_object())
    };
    let silent: BTreeSet<String> = operations(&witness.document)
        .into_iter()
        .filter(|(_, _, operation)| answers(operation))
        .map(|(method, path, _)| format!("{method} {path}"))
        .filter(|one| !witness.heard.contains(one))
        .collect();
    assert_eq!(silent, UNHEARD.map(|(excused, _)| excused.to_owned()).into(), "{} were heard", witness.heard.len());
}

#[tokio::test]
async fn no_answer_to_a_customer_holds_the_address_of_another() {
    let patience = ("EMPORIUM_SHOP__ORDER_PATIENCE_MILLIS", "20000".to_owned());
    let shop = Deployment::start_with(Shape::OnSqlite, &[patience]);
    shop.sell("PEN", 100, 9).await;
    let (own, others) = ("ada@example.com", "eve@example.com");
    let (ada, eve) = (shop.registered(own).await, shop.registered(others).await);
    let mut made = [Made::default(), Made::default()];
    for (person, made) in [&ada, &eve].into_iter().zip(&mut made) {
        for (_, _, path, body) in belongings(person) {
            made.remember(&shop.send(post(path).by(person).once().json(&body)).await.expect(201));
        }
    }
    let send = async |from: &Person, to: &str| {
        let gift = json!({"to": to, "amount": {"amount": 5, "currency": "USD"}, "note": "for tea"});
        shop.send(post("/v1/wallet/transfers").by(from).once().json(&gift)).await.expect(201)
    };
    send(&eve, &ada.id).await;
    // Where a transfer says to whom it goes, it repeats what its sender wrote; afterwards an id stands for the other.
    assert_eq!(send(&ada, others).await["to"], others);
    let history = shop.send(get("/v1/wallet/transactions").by(&ada)).await.expect(200);
    assert_eq!(history["data"][0]["counterparty"], eve.id.as_str());

    let (mut read, mut with_own) = (0, 0);
    for (_, template, _) in operations(&shop.told(&["openapi"], 0)).iter().filter(|(method, _, _)| method == "GET") {
        for made in &made {
            let reply = shop.send(get(&made.path(template)).by(&ada)).await;
            let text = reply.body.to_string();
            assert!(!text.contains(others), "{template}: {text}");
            read += usize::from(reply.status.is_success());
            with_own += usize::from(text.contains(own));
        }
    }
    assert!(read >= 30 && with_own >= 2, "{read} answers, {with_own} with the reader's own address");
}

#[test]
fn a_field_that_no_schema_names_is_found_wherever_it_stands() {
    let money = json!({"$ref": "#/components/schemas/Money"});
    let page = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}},
        "price": {"anyOf": [money, {"type": "null"}]},
        "totals": {"type": "object", "additionalProperties": money},
    }});
    let amount = json!({"type": "object", "properties": {"amount": {"type": "integer"}}});
    let document = json!({"components": {"schemas": {"Money": amount}}});
    let found = |answer: Value| unnamed(&document, &[&page], &answer, "");

    let (one, wrong) = (json!({"amount": 1}), json!({"amount": 1, "hash": "x"}));
    let fine = json!({"data": [{"id": "a"}], "price": null, "totals": {"USD": one}});
    assert!(found(fine).is_empty() && found(json!({"price": one})).is_empty());
    assert_eq!(found(json!({"data": [], "hash": "x"})), [".hash"]);
    assert_eq!(found(json!({"data": [{"id": "a"}, {"id": "b", "hash": "x"}]})), [".data[].hash"]);
    assert_eq!(found(json!({"data": [{"id": wrong}]})), [".data[].id.amount", ".data[].id.hash"]);
    assert_eq!(found(json!({"price": wrong, "totals": {"USD": wrong}})), [".price.hash", ".totals.USD.hash"]);
}

/// Who asks, method and path of the operation, and the body.
type Step<'a> = (Option<&'a Person>, &'static str, &'static str, Value);

/// What each customer makes.
fn belongings(customer: &Person) -> Vec<Step<'_>> {
    let money = |cents: i64| json!({"amount": {"amount": cents, "currency": "USD"}});
    let home = json!({"name": "Ada", "line1": "1 Tea Street", "city": "London", "country": "GB"});
    let cart = json!({"items": [{"sku": "PEN", "quantity": 1}]});
    let made = [
        ("/v1/wallet/deposits", money(9_000)),
        ("/v1/wallet/withdrawals", money(100)),
        ("/v1/orders", order_of("PEN", 1)),
        ("/v1/carts", cart),
        ("/v1/me/addresses", home),
    ];
    made.map(|(path, body)| (Some(customer), "POST", path, body)).into()
}

/// A pen, at the key that [`reachable`] names, an integration's key, and invitations.
fn opening(boss: &Person) -> Vec<Step<'_>> {
    let price = json!({"amount": 100, "currency": "USD"});
    let pen = json!({
        "title": "Pen", "slug": "nothing", "status": "active", "category": "nothing", "tags": ["blue"],
        "options": ["Size"], "images": [{"src": "/pen.png"}],
        "skus": [{"sku": "PEN", "options": ["S"], "price": price, "compare_at": price}],
    });
    let (boss, counted) = (Some(boss), json!({"adjustments": [{"sku": "PEN", "set": 9, "reason": "counted"}]}));
    let key = json!({"name": "till", "scopes": ["orders:read"], "current_password": PASSWORD});
    let invited = |email: &str| json!({"email": email, "roles": ["supplier"]});
    vec![
        (boss, "POST", "/v1/admin/categories", json!({"name": "Pens", "slug": "nothing"})),
        (boss, "PATCH", "/v1/admin/categories/{key}", json!({"name": "Pens and ink"})),
        (boss, "POST", "/v1/admin/products", pen),
        (boss, "PATCH", "/v1/admin/products/{id}", json!({"vendor": "Quill"})),
        (boss, "POST", "/v1/admin/stock/adjustments", counted),
        (boss, "PATCH", "/v1/admin/stock/thresholds", json!({"sku": "PEN", "low_stock_threshold": 50})),
        (boss, "POST", "/v1/admin/locations", json!({"name": "Attic"})),
        (boss, "PATCH", "/v1/admin/locations/{id}", json!({"name": "Cellar"})),
        (None, "POST", "/v1/availability", json!({"skus": ["PEN"]})),
        (boss, "POST", "/v1/admin/api-keys", key),
        (boss, "POST", "/v1/admin/invitations", invited("zoe@example.com")),
        (boss, "POST", "/v1/admin/invitations", invited("eve@example.com")),
    ]
}

/// What becomes of a customer and the customer's money.
fn paying<'a>(ada: &'a Person, boss: &'a Person) -> Vec<Step<'a>> {
    let (ada, boss, amount) = (Some(ada), Some(boss), json!({"amount": 10, "currency": "USD"}));
    let because = json!({"amount": amount, "reason": "sorry"});
    vec![
        (ada, "PATCH", "/v1/me", json!({"name": "Ada"})),
        (ada, "POST", "/v1/me/totp", json!({"current_password": PASSWORD})),
        (ada, "PATCH", "/v1/me/addresses/{id}", json!({"city": "Bath"})),
        (boss, "PATCH", "/v1/admin/users/{id}", json!({"name": "Ada L."})),
        (boss, "POST", "/v1/admin/deposits/{id}/confirm", json!({})),
        (boss, "POST", "/v1/admin/withdrawals/{id}/pay", json!({"reason": "in cash"})),
        (ada, "POST", "/v1/wallet/withdrawals", json!({"amount": amount})),
        (boss, "POST", "/v1/admin/withdrawals/{id}/reject", json!({})),
        (ada, "POST", "/v1/wallet/transfers", json!({"to": "boss@example.com", "amount": amount, "note": "for tea"})),
        (boss, "POST", "/v1/admin/wallets/{user}/credit", because.clone()),
        (boss, "POST", "/v1/admin/wallets/{user}/debit", because),
    ]
}

/// A guest's cart, which becomes the customer's and then an order; and one more.
fn shopping(customer: &Person) -> Vec<Step<'_>> {
    let (who, pen) = (Some(customer), json!({"sku": "PEN", "quantity": 1}));
    let cart = json!({"items": [pen]});
    vec![
        (None, "POST", "/v1/carts", cart.clone()),
        (who, "POST", "/v1/carts/{id}/claim", json!({})),
        (who, "POST", "/v1/carts/{id}/items", pen),
        (who, "PATCH", "/v1/carts/{id}/items/{line}", json!({"quantity": 3})),
        (who, "DELETE", "/v1/carts/{id}/items/{line}", json!({})),
        (who, "PATCH", "/v1/carts/{id}", cart.clone()),
        (who, "POST", "/v1/carts/{id}/checkout", json!({"payment": {"method": "wallet"}})),
        (who, "POST", "/v1/carts", cart),
    ]
}

/// The last that was made: an id for each kind, and a token.
#[derive(Default)]
struct Made(BTreeMap<String, String>);

impl Made {
    fn remember(&mut self, answer: &Value) {
        let ids = [&answer["id"], &answer["user"]["id"], &answer["items"][0]["id"]];
        for id in ids.into_iter().filter_map(Value::as_str) {
            self.0.insert(id.split('_').next().unwrap_or_default().to_owned(), id.to_owned());
        }
        self.0.extend(answer["token"].as_str().map(|token| ("token".to_owned(), token.to_owned())));
    }

    /// The path of an operation on what was made.
    fn path(&self, template: &str) -> String {
        let nothing = "0".repeat(26);
        self.0.iter().fold(reachable(template), |path, (kind, id)| path.replace(&format!("{kind}_{nothing}"), id))
    }
}

/// A shop whose answers are held against its document.
struct Witness {
    shop: Deployment,
    document: Value,
    hiding: BTreeSet<String>,
    made: Made,
    /// Operations that answered with something to look at.
    heard: BTreeSet<String>,
}

impl Witness {
    fn request<'a>(&self, method: &str, template: &str, who: Option<&'a Person>) -> Request<'a> {
        let token = self.made.0.get("token").map_or("", String::as_str);
        let request = any(method, &self.made.path(template)).once().header("If-Match", "*");
        Request { person: who, ..request.header("X-Cart-Token", token) }
    }

    /// Asks, and looks at every field of a success.
    async fn hear(&mut self, template: &str, request: Request<'_>) -> Reply {
        let method = request.method.to_string();
        let reply = self.shop.send(request).await;
        if !reply.status.is_success() {
            return reply;
        }
        let operation = format!("{method} {template}");
        let responses = &self.document["paths"][template][method.to_lowercase()]["responses"];
        let schema = &responses[reply.status.as_str()]["content"]["application/json"]["schema"];
        let mut strange = unnamed(&self.document, &[schema], &reply.body, "");
        strange.retain(|field| template != EXPORT || field.matches('.').count() < 2);
        assert!(strange.is_empty(), "{operation} does not name {strange:?}");
        let text = reply.body.to_string();
        let hidden = self.hiding.iter().find(|column| text.contains(&format!("\"{column}\":")));
        assert_eq!(hidden, None, "{operation}: {text}");
        if reply.body.is_object() && reply.body["data"] != json!([]) {
            self.heard.insert(operation);
        }
        if method != "GET" {
            self.made.remember(&reply.body);
        }
        reply
    }

    async fn succeed(&mut self, method: &str, template: &str, who: Option<&Person>, body: Value) -> Value {
        let request = self.request(method, template, who).json(&body);
        let reply = self.hear(template, request).await;
        assert!(reply.status.is_success(), "{method} {template}: {} {}", reply.status, reply.body);
        reply.body
    }

    async fn carry_out(&mut self, steps: Vec<Step<'_>>) {
        for (who, method, template, body) in steps {
            self.succeed(method, template, who, body).await;
        }
    }

    /// A user who is made like this, and logs in.
    async fn user(&mut self, template: &str, who: Value) -> Person {
        let user = self.succeed("POST", template, None, who).await["user"].clone();
        let login = json!({"email": user["email"], "password": PASSWORD});
        let tokens = self.succeed("POST", "/v1/auth/login", None, login).await;
        let old = json!({"refresh_token": tokens["refresh_token"]});
        let tokens = self.succeed("POST", "/v1/auth/refresh", None, old).await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        Person { id: text(&user["id"]), token: text(&tokens["access_token"]) }
    }

    /// Reads everything but what never ends and the document, which is a file.
    async fn read_in_every_role(&mut self, person: &Person) {
        let left_out = |path: &str| ["/v1/admin/stock/stream", "/openapi.json"].contains(&path);
        let operations = operations(&self.document);
        for role in [Role::Customer, Role::Supplier, Role::Staff, Role::Admin] {
            let reader = self.shop.in_role(person, role);
            for (_, path, _) in operations.iter().filter(|(method, path, _)| method == "GET" && !left_out(path)) {
                let request = self.request("GET", path, Some(&reader));
                self.hear(path, request).await;
            }
        }
    }
}

/// The fields of an answer that no schema names, as if each had `additionalProperties: false`.
fn unnamed(document: &Value, schemas: &[&Value], answer: &Value, at: &str) -> Vec<String> {
    let parts: Vec<&Value> = schemas.iter().flat_map(|schema| parts(document, schema)).collect();
    let field = |(name, value): (&String, &Value)| {
        let at = format!("{at}.{name}");
        let named: Vec<&Value> = parts.iter().filter_map(|part| schema_of(part, name)).collect();
        if named.is_empty() { vec![at] } else { unnamed(document, &named, value, &at) }
    };
    let rows: Vec<&Value> = parts.iter().filter_map(|part| part.get("items")).collect();
    match answer {
        Value::Object(fields) => fields.iter().flat_map(field).collect(),
        Value::Array(all) => all.iter().flat_map(|row| unnamed(document, &rows, row, &format!("{at}[]"))).collect(),
        _ => Vec::new(),
    }
}

/// A schema, what it refers to, and its alternatives.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let referred = schema["$ref"].as_str().map(|reference| target(document, reference));
    let several = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let inner = referred.into_iter().chain(several).flat_map(|part| parts(document, part));
    [schema].into_iter().chain(inner).collect()
}

fn target<'a>(document: &'a Value, reference: &str) -> &'a Value {
    document.pointer(reference.trim_start_matches('#')).expect("leads somewhere")
}

/// The schema of a field, or of whatever a map holds.
fn schema_of<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    let of_map = schema.get("additionalProperties").filter(|values| values.is_object());
    schema["properties"].get(field).or(of_map)
}

/// Notes the fields that schemas name at any depth, as `Owner.field`, and their owners.
fn note(document: &Value, owner: &str, schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let owner = reference.rsplit('/').next().unwrap_or_default();
        if found.insert(owner.to_owned()) {
            note(document, owner, target(document, reference), found);
        }
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    found.extend(fields.map(|(name, _)| format!("{owner}.{name}")));
    let members = schema.as_object().into_iter().flat_map(|members| members.values());
    members.chain(schema.as_array().into_iter().flatten()).for_each(|inner| note(document, owner, inner, found));
}

/// The columns that keep something hidden, by their names.
fn hiding_columns() -> BTreeSet<String> {
    let telling = ["secret", "seed", "sealed", "password", "fingerprint"];
    let hides = |name: &str| name.ends_with("hash") || telling.iter().any(|word| name.contains(word));
    let entries = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let mut found = BTreeSet::new();
    for migration in entries("migrations".into()).flat_map(|module| entries(module.join("sqlite"))) {
        let text = std::fs::read_to_string(migration.join("up.sql")).expect("an up.sql");
        for line in text.lines() {
            let mut words = line.rsplit("add column ").next().unwrap_or_default().split_whitespace();
            let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if hides(name) && ["text", "integer", "blob"].contains(&kind.trim_end_matches(',')) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}
