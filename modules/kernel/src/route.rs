//! Public routes, declared once: the handler's own signature says who may use it, what it takes and what it answers,
//! and both the router and the OpenAPI document are made from that.

mod mount;

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Handler, HttpRequest, Responder, ResponseError, guard, web};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::accept::Offer;
use crate::arguments::{Arguments, InOrder};
use crate::{Answer, Problem, Role};

use mount::answering;

/// What an argument of a handler says about its operation.
pub trait Describe {
    /// Adds it.
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator);
}

/// What a handler's return type says about its operation.
pub trait DescribeAnswer {
    /// Adds it.
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator);
}

/// One operation of the OpenAPI document while it is being described.
#[derive(Debug, Default)]
pub struct Operation {
    /// Who may use it; `None` when no argument said so, which is a defect.
    pub access: Option<&'static str>,
    /// Roles that may use it; empty for everybody the access names.
    pub roles: Vec<Role>,
    parameters: Vec<Value>,
    body: Option<Schema>,
    answers: Map<String, Value>,
}

impl Operation {
    /// Says who may use it.
    pub fn allow(&mut self, access: &'static str, roles: &[Role]) {
        self.access = Some(access);
        self.roles = roles.to_vec();
        if access != "anyone" {
            self.fails(&[401, 403]);
        }
    }

    /// Says what body it takes.
    pub fn body(&mut self, schema: Schema) {
        self.body = Some(schema);
        self.fails(&[400, 413, 415, 422]);
    }

    /// Says which query parameters it takes: the properties of an object schema.
    pub fn query(&mut self, schema: &Schema) {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (name, schema) in properties {
            self.parameters.push(json!({"name": name, "in": "query", "required": false, "schema": schema}));
        }
        self.fails(&[400]);
    }

    /// Says which header it takes.
    pub fn header(&mut self, name: &str, required: bool, description: &str) {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": required, "description": description, "schema": {"type": "string"},
        }));
    }

    /// Says what it answers on success.
    pub fn answers(&mut self, status: u16, schema: Option<Schema>) {
        match schema {
            Some(schema) => self.answers_in("application/json", status, schema),
            None => drop(self.answers.insert(status.to_string(), json!({"description": reason(status)}))),
        }
    }

    /// Says what it answers in another form than JSON.
    pub fn answers_in(&mut self, media_type: &str, status: u16, schema: Schema) {
        let answer = json!({"description": reason(status), "content": {media_type: {"schema": schema}}});
        self.answers.insert(status.to_string(), answer);
    }

    /// Says which refusals it knows.
    pub fn fails(&mut self, statuses: &[u16]) {
        for status in statuses {
            let reference = json!({"$ref": "#/components/responses/Problem"});
            self.answers.entry(status.to_string()).or_insert(reference);
        }
    }

    /// The media types of its successes.
    pub(crate) fn media_types(&self) -> Vec<String> {
        let successes = self.answers.iter().filter(|(status, _)| status.starts_with('2'));
        let contents = successes.filter_map(|(_, answer)| answer.get("content")?.as_object());
        let types: BTreeSet<&String> = contents.flat_map(Map::keys).collect();
        types.into_iter().cloned().collect()
    }

    pub(crate) fn render(mut self, route: &Route) -> Value {
        for name in path_parameters(&route.path) {
            self.parameters.push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
            self.fails(&[404]);
        }
        self.fails(&route.refusals);
        if !self.media_types().is_empty() {
            self.fails(&[406]);
        }
        // Whatever is asked: a secret in the URL, too long a URL, too long a head.
        self.fails(&[400, 414, 431, 500, 503]);
        let mut operation = json!({
            "tags": [route.tag],
            "summary": route.summary,
            "operationId": route.operation_id(),
            "responses": self.answers,
            "x-access": self.access,
        });
        let Some(members) = operation.as_object_mut() else { return operation };
        if !self.parameters.is_empty() {
            members.insert("parameters".to_owned(), self.parameters.into());
        }
        if let Some(schema) = self.body {
            members.insert("requestBody".to_owned(), json!({"content": {"application/json": {"schema": schema}}}));
        }
        let known = [json!({"token": []}), json!({"cookie": []})];
        let nobody = (self.access == Some("anyone")).then(|| json!({}));
        let security: Vec<Value> = nobody.into_iter().chain(known).collect();
        members.insert("security".to_owned(), security.into());
        operation
    }
}

fn reason(status: u16) -> &'static str {
    actix_web::http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Answer")
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// One route.
#[derive(Clone)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Template, as in `/v1/orders/{id}`.
    pub path: String,
    /// The module it belongs to.
    pub tag: &'static str,
    /// One sentence.
    pub summary: &'static str,
    refusals: Vec<u16>,
    describe: fn(&mut Operation, &mut SchemaGenerator),
    offer: Arc<Offer>,
    mount: Arc<dyn Fn() -> actix_web::Route + Send + Sync>,
}

impl Route {
    /// Its description.
    pub fn operation(&self, schemas: &mut SchemaGenerator) -> Operation {
        let mut operation = Operation::default();
        (self.describe)(&mut operation, schemas);
        operation
    }

    /// Answers, in its place, requests for a form that it does not have.
    fn unsuited(&self) -> actix_web::Route {
        let (asked, told) = (self.offer.clone(), self.offer.clone());
        let unsuited = guard::fn_guard(move |request| !asked.suits(request));
        answering(&self.method).guard(unsuited).to(move || ready(told.refusal().error_response()))
    }

    /// `post_v1_orders_id_cancel`.
    fn operation_id(&self) -> String {
        let path = self.path.replace(['{', '}', '.'], "").replace(['/', '-'], "_");
        format!("{}{path}", self.method.as_str().to_ascii_lowercase())
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The public routes of a module.
#[derive(Clone, Debug)]
pub struct Routes {
    tag: &'static str,
    list: Vec<Route>,
}

macro_rules! verb {
    ($($name:ident = $method:ident: $doc:literal),*) => {$(
        #[doc = $doc]
        #[must_use]
        pub fn $name<H, Args>(self, path: &str, handler: H, summary: &'static str) -> Self
        where
            H: Handler<Args> + Send + Sync,
            Args: Arguments,
            H::Output: Responder + DescribeAnswer + 'static,
        {
            self.add(Method::$method, path, handler, summary)
        }
    )*};
}

impl Routes {
    /// None yet, for the module named `tag`.
    pub fn new(tag: &'static str) -> Self {
        Self { tag, list: Vec::new() }
    }

    verb!(
        get = GET: "Reads.",
        post = POST: "Creates or acts.",
        put = PUT: "Replaces.",
        patch = PATCH: "Changes.",
        delete = DELETE: "Removes."
    );

    fn add<H, Args>(mut self, method: Method, path: &str, handler: H, summary: &'static str) -> Self
    where
        H: Handler<Args> + Send + Sync,
        Args: Arguments,
        H::Output: Responder + DescribeAnswer + 'static,
    {
        let verb = method.clone();
        let describe: fn(&mut Operation, &mut SchemaGenerator) = |operation, schemas| {
            Args::describe(operation, schemas);
            H::Output::describe_answer(operation, schemas);
        };
        self.list.push(Route {
            method,
            path: path.to_owned(),
            tag: self.tag,
            summary,
            refusals: Vec::new(),
            describe,
            offer: Arc::new(Offer::new(describe)),
            mount: Arc::new(move || {
                let handler = handler.clone();
                answering(&verb).to(move |InOrder(arguments): InOrder<Args>| handler.call(arguments))
            }),
        });
        self
    }

    /// Lets the route that was declared last be asked only while `room` says so; otherwise it is 503 with Retry-After,
    /// before anything of the request but `Accept` is looked at.
    #[must_use]
    pub fn only_while(mut self, room: fn(&HttpRequest) -> bool) -> Self {
        if let Some(route) = self.list.last_mut() {
            let mount = route.mount.clone();
            route.mount =
                Arc::new(move || mount().wrap(from_fn(move |request, next| crate::room::admit(room, request, next))));
        }
        self
    }

    /// Says of the route that was declared last which refusals it knows beside those of its arguments.
    #[must_use]
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        if let Some(route) = self.list.last_mut() {
            route.refusals.extend_from_slice(statuses);
        }
        self
    }

    /// Says of the route that was declared last that it answers 429 to whom asks too often.
    #[must_use]
    pub fn limited(self) -> Self {
        self.refuses(&[429])
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Routes) -> Self {
        self.list.extend(others.list);
        self
    }

    /// All of them, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter()
    }
}

impl<T: JsonSchema, const STATUS: u16> DescribeAnswer for Answer<T, STATUS> {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.answers(STATUS, (STATUS != 204).then(|| schemas.subschema_for::<T>()));
    }
}

impl<T: DescribeAnswer> DescribeAnswer for Result<T, Problem> {
    fn describe_answer(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        T::describe_answer(operation, schemas);
    }
}

impl<T: ?Sized> Describe for web::Data<T> {
    fn describe(_: &mut Operation, _: &mut SchemaGenerator) {}
}

impl<T: Describe> Describe for Option<T> {
    fn describe(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        T::describe(operation, schemas);
    }
}
