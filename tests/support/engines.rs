//! Both kinds of database for the races of a module.

use emporium_database::{Database, Url};

use crate::mariadbd::Mariadbd;

/// Tells each story with a module on a file of its own, and with one in a database of this name on a server of its own.
macro_rules! on_each_engine {
    ($on_file:expr, $name:literal, $on_server:expr; $($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[actix_web::test] async fn $story() { super::$story($on_file).await })*
        }
        mod on_mariadb {
            $(#[actix_web::test] async fn $story() {
                let (_server, url) = crate::engines::server($name);
                let on_server = $on_server;
                super::$story(on_server(url)).await;
            })*
        }
    };
}
pub(crate) use on_each_engine;

/// A server that ends when it is dropped, and a database of this name on it.
pub fn server(name: &str) -> (Mariadbd, Url) {
    let server = Mariadbd::start();
    let url = Url::parse(&server.url(name)).expect("a URL");
    (server, url)
}

/// So many rounds on a file, or so many on a server, where each takes longer; or, with `LONG=1`, so many.
pub fn rounds(database: &Database, [file, server, long]: [usize; 3]) -> usize {
    match (std::env::var_os("LONG"), database.is_shared()) {
        (Some(_), _) => long,
        (None, true) => server,
        (None, false) => file,
    }
}
