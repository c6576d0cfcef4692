//! One contract, near and far: the far side over a real socket.
#![expect(clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use emporium_kernel::{Admission, Call, Caller, Credential, Fault, Inadmissible, Outage, Remote, RemoteSettings, Role};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Take {
    pieces: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Taken {
    left: i64,
    taker: Option<String>,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
enum ShelfError {
    #[error("only {available} left")]
    Short { available: i64 },
    #[error(transparent)]
    #[serde(untagged)]
    Outage(#[from] Outage),
}

impl Fault for ShelfError {
    fn status(&self) -> StatusCode {
        match self {
            ShelfError::Short { .. } => StatusCode::CONFLICT,
            ShelfError::Outage(outage) => outage.status(),
        }
    }
    fn outage(&self) -> Option<Outage> {
        match self {
            ShelfError::Short { .. } => None,
            ShelfError::Outage(outage) => Some(*outage),
        }
    }
}

mod shelf {
    use super::{ShelfError, Take, Taken};
    emporium_kernel::contract! {
        /// A shelf that pieces are taken from.
        pub trait Shelf at "/internal/shelf" failing ShelfError {
            /// Takes pieces.
            async fn take(&self, Take) -> Taken;
            /// Asks how many are left.
            async fn left(&self, ()) -> i64, repeatable;
        }
    }
}
use shelf::Shelf;

struct Board {
    on_hand: AtomicI64,
    asked: AtomicU32,
    /// Who takes nothing waits for it.
    bell: tokio::sync::Semaphore,
    /// How long the last one who asked would wait.
    patience: Mutex<Duration>,
}

#[async_trait::async_trait]
impl Shelf for Board {
    async fn take(&self, call: &Call, ask: Take) -> Result<Taken, ShelfError> {
        if ask.pieces == 0 {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _rung = self.bell.acquire().await;
        }
        let available = self.on_hand.load(Ordering::SeqCst);
        if ask.pieces > available {
            return Err(ShelfError::Short { available });
        }
        let left = self.on_hand.fetch_sub(ask.pieces, Ordering::SeqCst) - ask.pieces;
        Ok(Taken { left, taker: call.caller.as_ref().map(|caller| caller.id.clone()) })
    }

    async fn left(&self, call: &Call, (): ()) -> Result<i64, ShelfError> {
        *self.patience.lock().expect("free") = call.remaining();
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.on_hand.load(Ordering::SeqCst))
    }
}

struct Key(&'static str);
impl Credential for Key {
    fn token(&self, audience: &str) -> String {
        format!("{}-for-{audience}", self.0)
    }
}
impl Admission for Key {
    fn admit(&self, token: &str) -> Result<String, Inadmissible> {
        (token == format!("{}-for-shelf", self.0)).then(|| "shop".to_owned()).ok_or(Inadmissible::Unproven)
    }
}

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn board() -> Arc<Board> {
    let bell = tokio::sync::Semaphore::new(0);
    Arc::new(Board { on_hand: AtomicI64::new(3), asked: AtomicU32::new(0), bell, patience: Mutex::default() })
}

/// Serves the board on a port of its own and returns its address.
fn serve(board: Arc<Board>) -> String {
    let server = HttpServer::new(move || App::new().configure(shelf::routes(board.clone(), Arc::new(Key("right")))))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a port");
    let address = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    address
}

fn client(address: String, key: &'static str) -> shelf::Client {
    client_with(address, key, RemoteSettings::default())
}

fn client_with(address: String, key: &'static str, settings: RemoteSettings) -> shelf::Client {
    let settings = RemoteSettings { timeout: Duration::from_secs(2), ..settings };
    shelf::Client(Remote::new("shelf", address, Key(key), settings).expect("a client"))
}

fn call() -> Call {
    let caller =
        Caller { id: "usr_1".to_owned(), roles: [Role::Customer].into(), session: "ses_1".to_owned(), scopes: None };
    Call::internal("shelf-test").by(Arc::new(caller))
}

/// The story that must read the same wherever the shelf is.
async fn pieces_are_taken_until_none_are_left(shelf: &dyn Shelf) {
    let taken = shelf.take(&call(), Take { pieces: 2 }).await;
    assert_eq!(taken, Ok(Taken { left: 1, taker: Some("usr_1".to_owned()) }));
    assert_eq!(shelf.take(&call(), Take { pieces: 2 }).await, Err(ShelfError::Short { available: 1 }));
    assert_eq!(shelf.left(&call(), ()).await, Ok(1));
}

#[actix_web::test]
async fn near() {
    pieces_are_taken_until_none_are_left(&shelf::Near(board())).await;
}

#[actix_web::test]
async fn far() {
    pieces_are_taken_until_none_are_left(&client(serve(board()), "right")).await;
}

#[actix_web::test]
async fn a_stranger_is_not_let_in_and_reads_nothing() {
    let far = client(serve(board()), "wrong");
    assert_eq!(far.left(&call(), ()).await, Err(Outage::Unreachable.into()));
}

/// A server that answers everything like this.
fn always(status: StatusCode, body: &'static str) -> String {
    counting(status, body).0
}

/// The same, and how often it was asked.
fn counting(status: StatusCode, body: &'static str) -> (String, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let answer = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { HttpResponse::build(status).content_type("application/json").body(body) }
    };
    (answering(answer), asked)
}

fn answering<F, W>(answer: F) -> String
where
    F: Fn() -> W + Clone + Send + 'static,
    W: Future<Output = HttpResponse> + 'static,
{
    let server = HttpServer::new(move || App::new().default_service(web::to(answer.clone())));
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    address
}

#[actix_web::test]
async fn what_another_server_says_is_no_refusal() {
    for (status, body) in [
        (StatusCode::CONFLICT, r#"{"code":"short","available":0}"#),
        (StatusCode::NOT_FOUND, r#"{"code":"not_found"}"#),
        (StatusCode::OK, r#"{"left":0,"taker":null}"#),
        (StatusCode::BAD_GATEWAY, "<html>"),
    ] {
        let far = client(always(status, body), "right");
        assert_eq!(far.take(&call(), Take { pieces: 1 }).await, Err(Outage::Unreachable.into()), "{status}");
        assert!(!far.0.is_sound(), "{status}");
    }
    let far = client(serve(board()), "right");
    assert_eq!(far.take(&call(), Take { pieces: 4 }).await, Err(ShelfError::Short { available: 3 }));
    assert!(far.0.is_sound());
}

#[actix_web::test]
async fn a_call_survives_the_thread_that_opened_its_connection() {
    let board = board();
    let far = client(serve(board.clone()), "right");
    let (opened, open) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let first = far.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            opened.send(first.left(&call(), ()).await).expect("is waited for");
            let _ = ended.await;
        });
    });
    assert_eq!(open.await.expect("opened"), Ok(3));
    let asked = tokio::spawn(async move { far.take(&call(), Take { pieces: 0 }).await });
    while board.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    end.send(()).expect("is waited for");
    thread.join().expect("ends");
    board.bell.add_permits(1);
    assert_eq!(asked.await.expect("joins").map(|taken| taken.left), Ok(3));
}

#[actix_web::test]
async fn nobody_there_means_perhaps_done() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let far = client(address, "right");
    assert_eq!(far.take(&call(), Take { pieces: 1 }).await, Err(Outage::Unreachable.into()));
}

#[actix_web::test]
async fn after_five_failures_in_a_row_nobody_is_asked_for_a_while() {
    for (address, asked) in [slam_the_door(), counting(StatusCode::BAD_GATEWAY, "<html>")] {
        let far = client_with(address, "right", RemoteSettings { breaker_rest: A_DAY, ..RemoteSettings::default() });
        for _ in 0..8 {
            assert_eq!(far.take(&call(), Take { pieces: 1 }).await, Err(Outage::Unreachable.into()));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 5);
    }
}

#[actix_web::test]
async fn a_refusal_is_no_failure() {
    let far = client(serve(board()), "right");
    for _ in 0..8 {
        assert_eq!(far.take(&call(), Take { pieces: 4 }).await, Err(ShelfError::Short { available: 3 }));
    }
}

#[actix_web::test]
async fn repetitions_have_a_budget() {
    let (address, knocks) = slam_the_door();
    let far = client_with(address, "right", RemoteSettings { breaker_threshold: 1_000, ..RemoteSettings::default() });
    for _ in 0..15 {
        assert_eq!(far.left(&call(), ()).await, Err(Outage::Unreachable.into()));
    }
    assert_eq!(knocks.load(Ordering::SeqCst), 15 + 10, "ten are saved up, and no success earned more");
}

#[actix_web::test]
async fn calls_on_their_way_are_bounded_also_when_nobody_waits_for_them() {
    let board = board();
    let far = client_with(serve(board.clone()), "right", RemoteSettings { in_flight: 1, ..RemoteSettings::default() });
    let first = far.clone();
    let waiting = tokio::spawn(async move { first.take(&call(), Take { pieces: 0 }).await });
    while board.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(far.left(&call(), ()).await, Err(Outage::Busy.into()));
    waiting.abort();
    assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(far.left(&call(), ()).await, Err(Outage::Busy.into()), "it is still on its way");
    board.bell.add_permits(1);
    while far.left(&call(), ()).await == Err(Outage::Busy.into()) {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_deadline_shrinks_on_its_way() {
    let board = board();
    let far = client(serve(board.clone()), "right");
    far.left(&call().within(Duration::from_millis(700)), ()).await.expect("in time");
    let patience = *board.patience.lock().expect("free");
    assert!(patience > Duration::ZERO && patience <= Duration::from_millis(700), "{patience:?}");
}

/// How many calls of a method were counted, by outcome.
fn counted(method: &str, outcome: &str) -> u64 {
    let families = emporium_kernel::metric::REGISTRY.gather();
    let family = families.iter().find(|family| family.name() == "emporium_contract_calls_total").expect("counted");
    let is = |metric: &&prometheus::proto::Metric| {
        let label = |name: &str| metric.get_label().iter().find(|l| l.name() == name).map(|l| l.value().to_owned());
        label("method").as_deref() == Some(method) && label("outcome").as_deref() == Some(outcome)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    family.get_metric().iter().find(is).map_or(0, |metric| metric.get_counter().get_value() as u64)
}

mod counted_shelf {
    use super::ShelfError;
    emporium_kernel::contract! {
        /// A shelf whose calls are counted by one test alone.
        pub trait CountedShelf at "/internal/counted" failing ShelfError {
            /// Refuses odd numbers.
            async fn count_me(&self, i64) -> i64;
        }
    }
}

struct Odd;

#[async_trait::async_trait]
impl counted_shelf::CountedShelf for Odd {
    async fn count_me(&self, _: &Call, number: i64) -> Result<i64, ShelfError> {
        if number % 2 == 0 { Ok(number) } else { Err(ShelfError::Short { available: number }) }
    }
}

#[actix_web::test]
async fn near_and_far_are_counted_alike() {
    use counted_shelf::CountedShelf;
    let near = counted_shelf::Near(Arc::new(Odd));
    let server =
        HttpServer::new(move || App::new().configure(counted_shelf::routes(Arc::new(Odd), Arc::new(Key("right")))));
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    let far = counted_shelf::Client(
        Remote::new("shelf", address, Key("right"), RemoteSettings::default()).expect("a client"),
    );
    let shelves: [&dyn CountedShelf; 2] = [&near, &far];
    for (number, shelf) in (1..).zip(shelves) {
        assert_eq!(shelf.count_me(&call(), 2).await, Ok(2));
        assert_eq!(shelf.count_me(&call(), 1).await, Err(ShelfError::Short { available: 1 }));
        assert_eq!((counted("count_me", "answered"), counted("count_me", "refused")), (number, number));
    }
}

#[actix_web::test]
async fn a_call_whose_time_is_over_is_not_sent() {
    let board = board();
    let far = client(serve(board.clone()), "right");
    let late = call().within(Duration::ZERO);
    assert_eq!(far.left(&late, ()).await, Err(Outage::DeadlineExceeded.into()));
    assert_eq!(board.asked.load(Ordering::SeqCst), 0);
}

/// A server that takes each connection and closes it unanswered, and counts them.
fn slam_the_door() -> (String, Arc<AtomicU32>) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let knocks = Arc::new(AtomicU32::new(0));
    let counted = knocks.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = std::io::Read::read(&mut &stream, &mut head);
        }
    });
    (address, knocks)
}

#[actix_web::test]
async fn only_a_repeatable_call_is_sent_twice() {
    let (address, knocks) = slam_the_door();
    let far = client(address, "right");
    assert_eq!(far.take(&call(), Take { pieces: 1 }).await, Err(Outage::Unreachable.into()));
    assert_eq!(knocks.load(Ordering::SeqCst), 1);
    assert_eq!(far.left(&call(), ()).await, Err(Outage::Unreachable.into()));
    assert_eq!(knocks.load(Ordering::SeqCst), 3);
}
