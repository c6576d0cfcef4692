//! The router that is made from routes.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, Resource, ResponseError, guard, web};

use super::Routes;
use crate::Problem;

impl Routes {
    /// Mounts them; another method on a known path is 405, and a form that there is not is 406 before anything else of
    /// the request is looked at. Paths of one kind are mounted together, so that a request is compared with the paths of
    /// its own kind alone; and one without parameters before one with, so that `/stock/movements` is not taken for
    /// `/stock/{sku}`.
    pub fn mount(&self, app: &mut web::ServiceConfig) {
        for (kind, paths) in self.kinds() {
            let mut scope = web::scope(kind);
            for path in paths {
                scope = scope.service(self.resource(path, &path[kind.len()..]));
            }
            app.service(scope);
        }
    }

    /// The routes of a path, mounted at what the scope leaves of it.
    fn resource(&self, path: &str, rest: &str) -> Resource {
        let mut resource = web::resource(rest.to_owned());
        let mut allowed: Vec<&str> = Vec::new();
        for route in self.list.iter().filter(|route| route.path == path) {
            resource = resource.route(route.unsuited()).route((route.mount)());
            allowed.push(route.method.as_str());
        }
        let allow = allowed.join(", ").replace("GET", "GET, HEAD");
        resource.default_service(web::to(move || method_not_allowed(allow.clone())))
    }

    /// The paths by their kind, in the order in which kinds were named first.
    fn kinds(&self) -> Vec<(&str, Vec<&str>)> {
        let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
        for route in &self.list {
            let (kind, path) = (kind_of(&route.path), route.path.as_str());
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, paths)) if paths.contains(&path) => {}
                Some((_, paths)) => paths.push(path),
                None => kinds.push((kind, vec![path])),
            }
        }
        for (_, paths) in &mut kinds {
            paths.sort_by_key(|path| path.matches('{').count());
        }
        kinds
    }
}

/// What a path is about: its first name, with the version before it, and for staff the one after `admin`.
fn kind_of(path: &str) -> &str {
    let most = if path.starts_with("/v1/admin/") { 3 } else { 1 + usize::from(path.starts_with("/v1/")) };
    let names = path.split('/').skip(1).take(most).take_while(|name| !name.is_empty() && !name.starts_with('{'));
    &path[..names.map(|name| name.len() + 1).sum()]
}

/// What is read with GET can be asked about with HEAD (RFC 9110 section 9.1).
pub(super) fn answering(method: &Method) -> actix_web::Route {
    if method == Method::GET {
        return web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    }
    web::method(method.clone())
}

/// 405 with the methods there are (RFC 9110 section 15.5.6).
async fn method_not_allowed(allow: String) -> HttpResponse {
    let title = "this path does not take that method";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title);
    let mut response = problem.error_response();
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_the_kind_of_its_first_name() {
        let kinds = [
            ("/health/live", "/health"),
            ("/docs/", "/docs"),
            ("/docs/{file}", "/docs"),
            ("/v1/orders", "/v1/orders"),
            ("/v1/orders/{id}/cancel", "/v1/orders"),
            ("/v1/admin/orders/{id}", "/v1/admin/orders"),
        ];
        for (path, kind) in kinds {
            assert_eq!(kind_of(path), kind, "{path}");
        }
    }
}
