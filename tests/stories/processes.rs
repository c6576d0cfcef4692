//! How a process starts and stops.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::deployment::{Deployment, Shape};
use crate::request::get;

fn emporium(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emporium"));
    command.args(arguments);
    command
}

#[tokio::test]
async fn the_demonstration_says_where_it_is_and_who_may_log_in_on_its_first_line() {
    let mut demo = emporium(&["demo", "--json", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("one JSON object");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let login = format!("{}/v1/auth/login", told["public"].as_str().expect("an address"));
    let mut roles = Vec::new();
    for user in told["users"].as_array().expect("accounts") {
        let who = json!({"email": user["email"], "password": user["password"]});
        let answer = client.post(&login).json(&who).send().await.expect("answers");
        assert_eq!(answer.status(), 200, "{user}");
        roles.extend(user["roles"].as_array().expect("roles").clone());
    }
    assert_eq!(roles, ["customer", "supplier", "staff", "admin"]);
    let ready = format!("{}/actuator/health/readiness", told["management"].as_str().expect("an address"));
    assert_eq!(client.get(ready).send().await.expect("answers").status(), 200);
    assert!(Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().expect("kill").success());
    assert!(demo.wait().expect("ends").success());
}

#[test]
fn a_process_without_a_module_that_it_needs_says_which_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    for (held, complaint) in [
        ("shop", "shop needs auth"),
        ("auth,shop", "shop needs inventory"),
        ("auth,inventory,shop", "shop needs wallet"),
        ("wallet", "wallet needs auth"),
        ("inventory", "inventory needs auth"),
        ("auth,paint", "there is no module paint"),
    ] {
        let output = emporium(&["serve", "--modules", held, "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
            .arg("--data")
            .arg(&data)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{held}: {said}");
        assert!(said.contains(complaint), "{held}: {said}");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn a_process_holds_what_it_is_told_to_hold_and_nothing_else() {
    let mut shop = Deployment::start(Shape::OnSqlite);
    assert!(shop.stop().success());
    for module in ["auth", "inventory", "shop", "wallet"] {
        std::fs::remove_file(shop.data().join(format!("{module}.db"))).expect("removes");
    }
    shop.serve_with(&["--modules", "auth,inventory"]);
    let staff = shop.staff();
    shop.send(get("/v1/admin/stock").by(&staff)).await.expect(200);
    assert_eq!(shop.send(get("/v1/wallet").by(&staff)).await.problem(), (404, "not_found"));
    assert_eq!(shop.send(get("/v1/products")).await.problem(), (404, "not_found"));
    let document = shop.send(get("/openapi.json")).await.expect(200);
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.contains_key("/v1/admin/stock") && !paths.contains_key("/v1/wallet"));
    assert!(shop.data().join("inventory.db").exists() && !shop.data().join("wallet.db").exists());
    assert!(shop.stop().success());

    shop.serve_with(&["--modules", "auth,wallet"]);
    assert_eq!(shop.send(get("/v1/wallet").by(&shop.buyer())).await.expect(200)["balances"], json!([]));
    assert!(shop.stop().success());
}

/// The cores on which the threads of this name may run, each as Linux lists them.
#[cfg(target_os = "linux")]
fn cores_of(pid: &str, name: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let mut cores = Vec::new();
    for thread in threads {
        let status = std::fs::read_to_string(thread.expect("a thread").path().join("status")).unwrap_or_default();
        let told =
            |field: &str| status.lines().find_map(|line| line.strip_prefix(field)).map(|told| told.trim().to_owned());
        if told("Name:").is_some_and(|own| own.starts_with(name)) {
            cores.extend(told("Cpus_allowed_list:"));
        }
    }
    cores.sort();
    cores
}

/// How many cores a part of such a list names: `3` or `0-7`.
#[cfg(target_os = "linux")]
fn length(range: &str) -> usize {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<usize>().expect("a number");
    number(last) - number(first) + 1
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_that_serve_keep_to_a_core_each_unless_told_otherwise_and_those_that_read_for_them_do_not() {
    let all = cores_of("self", "").pop().expect("this thread");
    let each = std::thread::available_parallelism().expect("cores").get();
    // A process may be allowed the time of fewer cores than it may run on.
    let cores: usize = all.split(',').map(length).sum();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for (pinned, settings) in [(true, vec![]), (false, vec![("EMPORIUM_PIN_WORKERS", "false".to_owned())])] {
        let shop = Deployment::start_with(Shape::OnSqlite, &settings);
        // Whoever has answered is where it stays.
        shop.send(get("/v1/products")).await.expect(200);
        let live = format!("{}/actuator/health/liveness", shop.management());
        assert!(client.get(live).send().await.expect("answers").status().is_success());
        let pid = shop.holder_of("shop").pid();
        // One more serves the management listener.
        let mut serving = cores_of(&pid, "actix-rt");
        assert_eq!(serving.len(), each + 1, "{serving:?}");
        serving.retain(|cores| *cores != all || each == 1);
        serving.dedup();
        let one_each = each == 1 || pinned && each == cores;
        assert_eq!(serving.len(), if one_each { each } else { 0 }, "{serving:?} of {all}");
        for others in ["tokio-rt-worker", "writer-", "log-"] {
            let mut others = cores_of(&pid, others);
            others.dedup();
            assert_eq!(others, std::slice::from_ref(&all));
        }
    }
}

#[tokio::test]
async fn it_stops_when_told_to_though_nobody_reads_what_it_says_and_connections_are_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shop = emporium(&["serve", "--json", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
        .arg("--data")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(shop.stderr.take());
    let mut line = String::new();
    BufReader::new(shop.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("one JSON object");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for address in ["public", "management"] {
        // Its connection stays open, and holds nothing up.
        let live = format!("{}/health/live", told[address].as_str().expect("an address"));
        client.get(live).send().await.expect("answers");
    }
    // Clients open some to have them at hand.
    let _unused = connected(told["public"].as_str().expect("an address"));
    assert!(Command::new("kill").args(["-TERM", &shop.id().to_string()]).status().expect("kill").success());
    let ended = tokio::task::spawn_blocking(move || shop.wait());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(8), ended).await.expect("ends by itself");
    assert!(ended.expect("joins").expect("waits").success());
}

fn connected(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).expect("connects")
}

/// What a server says until it closes the connection.
fn rest(mut connection: TcpStream) -> String {
    let mut said = String::new();
    connection.read_to_string(&mut said).expect("reads");
    said
}

#[tokio::test]
async fn a_connection_may_wait_as_long_for_its_first_request_as_for_another() {
    let shop = Deployment::start_with(Shape::OnSqlite, &[("EMPORIUM_KEEP_ALIVE_SECS", "1".to_owned())]);
    let unused = connected(&shop.holder_of("shop").public);
    // Two that are used wait one after the other, each for so long, and end later than it.
    for _ in 0..2 {
        let mut used = connected(&shop.holder_of("shop").public);
        used.write_all(b"GET /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n").expect("sends");
        assert!(rest(used).starts_with("HTTP/1.1 200"));
    }
    unused.set_nonblocking(true).expect("does not block");
    assert!(rest(unused).starts_with("HTTP/1.1 408"));
}

#[test]
fn who_lets_everybody_make_money_is_warned_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    for (deposits, warned) in [("instant", true), ("pending", false)] {
        let mut shop = emporium(&["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("EMPORIUM_PAYMENTS__DEPOSITS", deposits)
            .env("EMPORIUM_LOG__LEVEL", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut told = BufReader::new(shop.stdout.take().expect("piped"));
        told.read_line(&mut String::new()).expect("a line");
        assert!(Command::new("kill").args(["-TERM", &shop.id().to_string()]).status().expect("kill").success());
        let mut said = String::new();
        shop.stderr.take().expect("piped").read_to_string(&mut said).expect("reads");
        assert!(shop.wait().expect("ends").success());
        assert_eq!(said.contains("deposits are credited at once"), warned, "{deposits}: {said}");
    }
}
