//! Who may use a route. Each handler takes one of these types first; a route whose handler takes none fails the
//! story that walks the routes, so access is denied by default.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use schemars::SchemaGenerator;

use crate::bearer::token_of;
use crate::route::{Describe, Operation};
use crate::{Call, Caller, Fault, Outage, Problem, Role, Scope};

/// Turns an access token into the caller it was issued to.
pub trait Authenticator: Send + Sync + 'static {
    /// Checks signature, kind, issuer, audience and time, and whether it was revoked.
    fn authenticate(&self, token: String, freshness: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>>;
}

/// How soon a token is refused after its session ended or its user was disabled or got other roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within some seconds; while nobody can be asked, within a minute.
    Recent,
    /// Within some seconds; while nobody can be asked, nobody passes: for what changes something.
    Soon,
    /// At once; while nobody can be asked, nobody passes.
    Now,
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// Not one of ours, altered, of another kind, or expired.
    Refused,
    /// Nobody could be asked; protected calls get 503, never a pass.
    Unknown(Outage),
}

impl From<Unauthenticated> for Problem {
    fn from(reason: Unauthenticated) -> Self {
        match reason {
            Unauthenticated::Refused => Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "send a valid access token as Authorization: Bearer, or log in again",
            ),
            Unauthenticated::Unknown(outage) => {
                let mut problem = Problem::from(outage);
                problem.status = outage.status().as_u16();
                problem
            }
        }
    }
}

fn forbidden(needed: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("this needs one of the roles: {needed}"))
}

/// The call context of a request; made by the server's outermost layer, or afresh where there is none.
fn call_of(request: &HttpRequest) -> Call {
    request.extensions().get::<Call>().cloned().unwrap_or_else(|| Call::internal("unlayered"))
}

async fn caller_of(request: HttpRequest, freshness: Freshness) -> Result<Option<Arc<Caller>>, Problem> {
    let Some(token) = token_of(&request)? else { return Ok(None) };
    let Some(authenticator) = request.app_data::<web::Data<dyn Authenticator>>().cloned() else {
        return Err(Unauthenticated::Unknown(Outage::Internal).into());
    };
    let changes = freshness == Freshness::Recent && !request.method().is_safe();
    let freshness = if changes { Freshness::Soon } else { freshness };
    let caller = authenticator.authenticate(token, freshness).await?;
    within_scopes(&caller, &request)?;
    request.extensions_mut().insert(Admitted(caller.clone()));
    Ok(Some(caller))
}

/// Refuses an API key what it was not made for.
fn within_scopes(caller: &Caller, request: &HttpRequest) -> Result<(), Problem> {
    let Some(scopes) = &caller.scopes else { return Ok(()) };
    let pattern = request.match_pattern().unwrap_or_default();
    match Scope::of(&pattern, request.method()) {
        Some(needed) if scopes.contains(&needed) => Ok(()),
        Some(needed) => {
            let detail = format!("this API key lacks the scope {needed}");
            Err(Problem::new(StatusCode::FORBIDDEN, "missing_scope", detail).with("scope", needed))
        }
        None => Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "this is not for API keys; log in instead")),
    }
}

/// Who was let in with a request.
#[derive(Clone)]
struct Admitted(Arc<Caller>);

/// The token of a request, to be looked at again while the answer goes on. It comes after whoever asks.
pub struct Standing {
    token: Option<(String, web::Data<dyn Authenticator>)>,
    admitted: Option<Arc<Caller>>,
}

impl Standing {
    /// Whether the token is still good for as much as before, or nobody can say.
    pub async fn holds(&self) -> bool {
        let Some((token, authenticator)) = &self.token else { return true };
        match authenticator.authenticate(token.clone(), Freshness::Recent).await {
            Ok(caller) => {
                let same = |before: &Arc<Caller>| (&before.roles, &before.scopes) == (&caller.roles, &caller.scopes);
                self.admitted.as_ref().is_some_and(same)
            }
            Err(reason) => reason != Unauthenticated::Refused,
        }
    }
}

impl FromRequest for Standing {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = token_of(request).ok().flatten();
        let token = token.zip(request.app_data::<web::Data<dyn Authenticator>>().cloned());
        let admitted = request.extensions().get::<Admitted>().map(|admitted| admitted.0.clone());
        ready(Ok(Self { token, admitted }))
    }
}

impl Describe for Standing {
    fn describe(_: &mut Operation, _: &mut SchemaGenerator) {}
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standing")
    }
}

/// Everybody; a token is not looked at, so that an expired one does no harm.
#[derive(Clone, Debug)]
pub struct Public {
    /// The context to call neighbours with.
    pub call: Call,
}

impl FromRequest for Public {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self { call: call_of(request) }))
    }
}

impl Describe for Public {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.allow("anyone", &[]);
    }
}

/// Everybody, with or without a token; a token that is sent must be valid.
#[derive(Clone, Debug)]
pub struct Anyone {
    /// The context to call neighbours with.
    pub call: Call,
    /// Who sent a token.
    pub caller: Option<Arc<Caller>>,
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, mut call) = (request.clone(), call_of(request));
        Box::pin(async move {
            let caller = caller_of(request, Freshness::Recent).await?;
            call.caller.clone_from(&caller);
            Ok(Self { call, caller })
        })
    }
}

impl Describe for Anyone {
    fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
        operation.allow("anyone", &[]);
        operation.fails(&[401, 403]);
    }
}

macro_rules! access {
    ($(#[$meta:meta])* $name:ident, $label:literal, $freshness:expr, $roles:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// The context to call neighbours with.
            pub call: Call,
            /// Who asks.
            pub caller: Arc<Caller>,
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let (request, call) = (request.clone(), call_of(request));
                Box::pin(async move {
                    let caller = caller_of(request, $freshness).await?.ok_or(Unauthenticated::Refused)?;
                    let roles: &[Role] = $roles;
                    if !roles.is_empty() && !caller.is_any(roles) {
                        return Err(forbidden($label));
                    }
                    Ok(Self { call: call.by(caller.clone()), caller })
                })
            }
        }

        impl Describe for $name {
            fn describe(operation: &mut Operation, _: &mut SchemaGenerator) {
                operation.allow($label, $roles);
            }
        }
    };
}

access!(
    /// Every user with a valid token.
    SignedIn, "signed in", Freshness::Recent, &[]
);
access!(
    /// Every user with a token that is valid at this moment: where money is at stake.
    Confirmed, "signed in", Freshness::Now, &[]
);
access!(
    /// Suppliers, for their own products and stock, and staff.
    Seller, "supplier, staff, admin", Freshness::Now, &[Role::Supplier, Role::Staff, Role::Admin]
);
access!(
    /// Staff and admins.
    Staff, "staff, admin", Freshness::Now, &[Role::Staff, Role::Admin]
);
access!(
    /// Admins.
    Admin, "admin", Freshness::Now, &[Role::Admin]
);

impl Seller {
    /// The supplier whose products alone the caller may see; `None` for staff, who see all.
    pub fn supplier(&self) -> Option<&str> {
        (!self.caller.is_staff()).then_some(self.caller.id.as_str())
    }
}

impl Unauthenticated {
    /// What a failed look-up of keys means for the token in hand.
    pub fn from_fault(fault: &impl Fault) -> Self {
        fault.outage().map_or(Self::Refused, Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};
    use futures_util::FutureExt;

    use super::*;
    use crate::{Answer, Routes};

    /// Remembers what it was asked for.
    #[derive(Default)]
    struct Asked(std::sync::Mutex<Vec<Freshness>>);

    impl Authenticator for Asked {
        fn authenticate(&self, _: String, how: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
            self.0.lock().expect("a lock").push(how);
            ready(Err(Unauthenticated::Refused)).boxed()
        }
    }

    #[actix_web::test]
    async fn what_changes_something_is_not_let_in_on_old_knowledge() {
        async fn own(_: SignedIn) -> Answer<(), 204> {
            Answer::new(())
        }
        async fn anybody(_: Anyone) -> Answer<(), 204> {
            Answer::new(())
        }
        let routes = Routes::new("test").get("/own", own, "Reads.").post("/own", own, "Changes.");
        let routes = routes.patch("/cart", anybody, "Changes.").post("/staff", answer, "Changes.");
        let asked = Arc::new(Asked::default());
        let authenticator: Arc<dyn Authenticator> = asked.clone();
        let app = App::new().app_data(web::Data::from(authenticator)).configure(|app| routes.mount(app));
        let app = test::init_service(app).await;
        for (method, path) in
            [("GET", "/own"), ("HEAD", "/own"), ("POST", "/own"), ("PATCH", "/cart"), ("POST", "/staff")]
        {
            let request = test::TestRequest::with_uri(path).method(method.parse().expect("a method"));
            let request = request.insert_header(("Authorization", "Bearer x")).to_request();
            assert_eq!(test::call_service(&app, request).await.status(), 401);
        }
        let expected = [Freshness::Recent, Freshness::Recent, Freshness::Soon, Freshness::Soon, Freshness::Now];
        assert_eq!(*asked.0.lock().expect("a lock"), expected);
    }

    /// Knows one API key, for reading orders.
    struct OneKey;

    impl Authenticator for OneKey {
        fn authenticate(&self, _: String, _: Freshness) -> BoxFuture<'_, Result<Arc<Caller>, Unauthenticated>> {
            let scopes = Scope::parse("orders:read").into_iter().collect();
            let (id, roles, session) = ("usr_1".to_owned(), [Role::Admin].into(), "key_1".to_owned());
            ready(Ok(Arc::new(Caller { id, roles, session, scopes: Some(scopes) }))).boxed()
        }
    }

    async fn answer(_: Staff) -> Answer<(), 204> {
        Answer::new(())
    }

    #[actix_web::test]
    async fn a_key_opens_what_its_scopes_name_and_nothing_else() {
        let routes = Routes::new("test")
            .get("/v1/admin/orders", answer, "Reads.")
            .post("/v1/admin/orders", answer, "Changes.")
            .get("/v1/admin/stock", answer, "Reads something else.")
            .get("/v1/admin/users", answer, "Is for people.");
        let authenticator: Arc<dyn Authenticator> = Arc::new(OneKey);
        let app = App::new().app_data(web::Data::from(authenticator)).configure(|app| routes.mount(app));
        let app = test::init_service(app).await;
        let asked = [
            ("GET", "/v1/admin/orders", 204),
            ("HEAD", "/v1/admin/orders", 204),
            ("POST", "/v1/admin/orders", 403),
            ("GET", "/v1/admin/stock", 403),
            ("GET", "/v1/admin/users", 403),
        ];
        for (method, path, status) in asked {
            let request = test::TestRequest::with_uri(path).method(method.parse().expect("a method"));
            let request = request.insert_header(("Authorization", "Bearer emk_")).to_request();
            assert_eq!(test::call_service(&app, request).await.status(), status, "{method} {path}");
        }
    }
}
