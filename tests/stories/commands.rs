//! What an operator does on the command line, with the server stopped and beside it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::deployment::{Deployment, Shape, write};
use crate::request::{get, order_of, post};

in_one_process!(
    stock_money_and_orders_are_looked_at_beside_the_running_server,
    stock_and_money_are_changed_with_the_server_stopped,
    what_the_process_began_is_finished_before_it_stops,
);

fn with_password(shop: &Deployment, arguments: &[&str], password: &str) -> std::process::Output {
    let mut command = shop.binary(arguments);
    command.arg("--json");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    writeln!(child.stdin.take().expect("piped"), "{password}").expect("writes");
    child.wait_with_output().expect("ends")
}

#[tokio::test]
async fn the_first_admin_is_made_on_the_command_line() {
    let mut shop = Deployment::start(Shape::OnSqlite);
    assert!(shop.stop().success());
    let create =
        ["user", "create", "--email", "boss@example.com", "--name", "Boss", "--role", "admin", "--password-stdin"];
    assert_eq!(with_password(&shop, &create, "short").status.code(), Some(2), "a weak password is refused");
    let planned = [&create[..], &["--dry-run"]].concat();
    assert_eq!(with_password(&shop, &planned, "short").status.code(), Some(2), "as the creation would be");
    assert_eq!(with_password(&shop, &planned, "a long enough phrase").status.code(), Some(0), "and makes nobody");
    assert_eq!(with_password(&shop, &create, "a long enough phrase").status.code(), Some(0));
    assert_eq!(with_password(&shop, &create, "a long enough phrase").status.code(), Some(2), "the address is taken");
    assert_eq!(with_password(&shop, &planned, "a long enough phrase").status.code(), Some(2));
    let listed = shop.told(&["user", "list"], 0);
    assert_eq!(
        (&listed["data"][0]["email"], &listed["data"][0]["roles"]),
        (&json!("boss@example.com"), &json!(["admin"]))
    );
    let promote = ["user", "role", "boss@example.com", "staff", "admin"];
    assert_eq!(shop.told(&[&promote[..], &["--dry-run"]].concat(), 0)["roles"], json!(["staff", "admin"]));
    assert_eq!(shop.told(&["user", "list"], 0)["data"][0]["roles"], json!(["admin"]), "nothing was changed");
    assert_eq!(shop.told(&promote, 0)["roles"], json!(["staff", "admin"]));
    let disable = ["user", "disable", "boss@example.com", "--dry-run"];
    assert_eq!(
        shop.told(&disable, 0),
        json!({
            "email": "boss@example.com", "name": "Boss", "roles": ["staff", "admin"], "disabled": true, "dry_run": true,
        })
    );

    shop.serve();
    let login =
        |password: &str| post("/v1/auth/login").json(&json!({"email": "boss@example.com", "password": password}));
    shop.send(login("a long enough phrase")).await.expect(200);
    assert_eq!(
        shop.told(&["user", "disable", "boss@example.com"], 2)["error"]["code"],
        "failed",
        "the server owns the data"
    );
    assert!(shop.stop().success());
    let passwd = ["user", "passwd", "boss@example.com", "--password-stdin"];
    let planned = [&passwd[..], &["--dry-run"]].concat();
    assert_eq!(with_password(&shop, &planned, "boss").status.code(), Some(2));
    assert_eq!(with_password(&shop, &planned, "a phrase never set").status.code(), Some(0));
    assert_eq!(with_password(&shop, &passwd, "another good phrase").status.code(), Some(0));
    shop.serve();
    shop.send(login("another good phrase")).await.expect(200);
    assert_eq!(shop.send(login("a phrase never set")).await.problem(), (401, "invalid_credentials"));
    assert_eq!(shop.send(login("a long enough phrase")).await.problem(), (401, "invalid_credentials"));
    assert!(shop.stop().success());
    assert_eq!(shop.told(&["user", "disable", "boss@example.com"], 0)["disabled"], json!(true));
    shop.serve();
    assert_eq!(shop.send(login("another good phrase")).await.problem(), (401, "invalid_credentials"));
}

async fn stock_money_and_orders_are_looked_at_beside_the_running_server(shape: Shape) {
    let shop = Deployment::start(shape);
    shop.sell("PEN", 100, 5).await;
    let ada = shop.registered("ada@example.com").await;
    shop.deposit(&ada, 1_000).await;
    let order = shop.send(post("/v1/orders").by(&ada).once().json(&order_of("PEN", 2))).await.expect(201);
    assert_eq!(shop.told(&["stock", "show", "PEN"], 0)["data"][0]["on_hand"], 3);
    assert_eq!(shop.told(&["wallet", "show", "ada@example.com"], 0)["balances"][0]["balance"], 800);
    let shown = shop.told(&["order", "show", order["number"].as_str().expect("a number")], 0);
    assert_eq!((&shown["order"]["id"], shown["events"].as_array().map(Vec::len)), (&order["id"], Some(3)));
    assert_eq!(shop.told(&["order", "list", "--status", "placed"], 0)["data"][0]["id"], order["id"]);
    assert_eq!(shop.told(&["order", "list", "--unfinished"], 0)["data"], json!([]));
    shop.verify();
    assert_eq!(shop.told(&["inventory", "verify"], 0), shop.told(&["stock", "verify"], 0), "two names");
    assert_eq!(
        shop.told(&["health", "--management", shop.management().trim_start_matches("http://")], 0)["ready"],
        true
    );
    assert_eq!(shop.told(&["health", "--management", "127.0.0.1:1"], 1)["ready"], false);
}

async fn stock_and_money_are_changed_with_the_server_stopped(shape: Shape) {
    let mut shop = Deployment::start(shape);
    shop.sell("PEN", 100, 5).await;
    shop.sell("INK", 100, 0).await;
    shop.registered("ada@example.com").await;
    shop.stop();
    let adjust = ["stock", "adjust", "PEN", "--delta", "-2", "--reason", "broken"];
    assert_eq!(shop.told(&[&adjust[..], &["--dry-run"]].concat(), 0)["dry_run"], true);
    assert_eq!(shop.told(&adjust, 0)["data"][0]["on_hand"], 3);
    let stale = ["stock", "adjust", "PEN", "--set", "9", "--reason", "count", "--expected-on-hand", "5"];
    assert_eq!(shop.told(&stale, 2)["error"]["code"], "stock_changed");
    let (stranger, stale) = (["stock", "adjust", "NEVER", "--delta", "1", "--reason", "x", "--dry-run"], &stale[..]);
    assert_eq!(shop.told(&[stale, &["--dry-run"]].concat(), 2)["error"]["code"], "stock_changed");
    assert_eq!(shop.told(&stranger, 2)["error"]["code"], "unknown_sku");
    let file = write(&shop.data(), "stock.csv", "sku,quantity,mode\nPEN,10,set\nINK,4,delta\n");
    let file = file.to_str().expect("text");
    let planned = shop.told(&["stock", "import", file, "--dry-run"], 0);
    assert_eq!((&planned["rows"], &planned["data"][1]["on_hand"]), (&json!(2), &json!(4)));
    assert_eq!(shop.told(&["stock", "show", "INK"], 0)["data"][0]["on_hand"], 0, "nothing was changed");
    assert_eq!(shop.told(&["stock", "import", file], 0)["data"][1]["on_hand"], 4);
    let bad = write(&shop.data(), "bad.csv", "sku,quantity\nPEN,ten\n");
    shop.told(&["stock", "import", bad.to_str().expect("text")], 2);

    let credit = ["wallet", "adjust", "ada@example.com", "12.50", "USD", "--reason", "welcome"];
    assert_eq!(shop.told(&[&credit[..], &["--dry-run"]].concat(), 0)["dry_run"], true);
    assert_eq!(shop.told(&credit, 0)["amount"]["amount"], 1_250);
    let debit = ["wallet", "adjust", "ada@example.com", "-20", "USD", "--reason", "too much"];
    assert_eq!(shop.told(&debit, 2)["error"]["code"], "insufficient_funds");
    assert_eq!(shop.told(&[&debit[..], &["--dry-run"]].concat(), 2)["error"]["code"], "insufficient_funds");
    let fortune = ["wallet", "adjust", "ada@example.com", "99999999999", "USD", "--reason", "typing error"];
    assert_eq!(shop.told(&fortune, 2)["error"]["errors"][0]["code"], "amount_out_of_range");
    assert_eq!(shop.told(&["wallet", "show", "ada@example.com"], 0)["balances"][0]["balance"], 1_250);
    assert_eq!(shop.told(&["order", "retry"], 0)["orders"], json!([]));
    shop.verify();
}

#[tokio::test]
async fn a_backup_is_made_while_the_shop_runs_and_can_be_served() {
    let mut shop = Deployment::start(Shape::OnSqlite);
    shop.sell("PEN", 100, 5).await;
    let folder = shop.data().join("copy");
    let to = folder.to_str().expect("text").to_owned();
    assert_eq!(shop.told(&["backup", &to, "--dry-run"], 0)["dry_run"], true);
    assert!(!folder.exists());
    assert_eq!(shop.told(&["backup", &to], 0)["copies"].as_array().map(Vec::len), Some(4));
    shop.told(&["backup", &to], 2);
    shop.stop();
    for name in ["auth", "inventory", "shop", "wallet"] {
        std::fs::copy(folder.join(format!("{name}.db")), shop.data().join(format!("{name}.db"))).expect("restores");
    }
    shop.serve();
    assert_eq!(shop.shelf("PEN").await, (5, 0));
    shop.verify();
}

#[tokio::test]
async fn a_command_on_an_empty_folder_makes_what_it_needs() {
    let mut shop = Deployment::start(Shape::OnSqlite);
    shop.stop();
    let pending = |shop: &Deployment| {
        let planned = shop.told(&["migrate", "--dry-run"], 0);
        let databases = planned["databases"].as_array().expect("a list").clone();
        databases.iter().map(|one| one["pending"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>()
    };
    assert_eq!(pending(&shop), [0, 0, 0, 0]);
    std::fs::remove_dir_all(shop.data()).expect("empties");
    assert!(pending(&shop).iter().all(|count| *count > 3));
    assert!(!shop.data().exists(), "nothing was made");
    assert_eq!(shop.told(&["order", "list"], 0)["data"], json!([]));
    shop.verify();
}

#[tokio::test]
async fn configuration_is_checked_and_shown_and_the_doctor_looks() {
    let shop = Deployment::start(Shape::OnSqlite);
    assert_eq!(shop.told(&["config", "check"], 0)["valid"], true);
    assert_eq!(shop.told(&["config", "show"], 0)["log"]["level"], "info");
    let bad = write(&shop.data(), "bad.toml", "[wallet]\nmax_amont = 1\n");
    let refused = shop.told(&["config", "check", "--config", bad.to_str().expect("text")], 2);
    let title = refused["error"]["detail"].as_str().expect("text").to_owned();
    assert!(title.contains("max_amont") && title.contains("bad.toml"), "{title}");
    let report = shop.told(&["doctor"], 0);
    assert_eq!(report["ok"], true, "{report}");
    assert!(shop.command(&["completions", "bash"]).stdout.len() > 1_000);
    let missing = shop.told(&["config", "check", "--config", "/nowhere.toml"], 2);
    assert!(missing["error"]["detail"].as_str().expect("text").contains("/nowhere.toml"));
}

#[tokio::test]
async fn the_demonstration_can_be_bought_from_with_the_lines_it_prints() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_emporium"))
        .args(["demo", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = std::io::BufReader::new(demo.stdout.take().expect("piped"));
    let mut text = String::new();
    while !text.contains("Ctrl-C") {
        assert!(std::io::BufRead::read_line(&mut out, &mut text).expect("reads") > 0, "{text}");
    }
    let lines: String = text
        .lines()
        .filter(|line| line.starts_with("curl") || line.starts_with("TOKEN"))
        .collect::<Vec<_>>()
        .join("\n");
    let bought = Command::new("bash").args(["-euc", &lines]).output().expect("bash and curl");
    let printed = String::from_utf8_lossy(&bought.stdout).into_owned();
    assert!(Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().expect("kill").success());
    assert!(demo.wait().expect("ends").success());
    assert!(printed.contains("\"status\":\"placed\""), "{printed} {}", String::from_utf8_lossy(&bought.stderr));
    let stranger = Command::new(env!("CARGO_BIN_EXE_emporium")).args(["demo", "--listen", "0.0.0.0:0"]).output();
    assert_eq!(stranger.expect("runs").status.code(), Some(2), "loopback only");
}

async fn what_the_process_began_is_finished_before_it_stops(shape: Shape) {
    let mut shop = Deployment::start(shape);
    shop.sell("PEN", 100, 500).await;
    let buyer = shop.buyer();
    shop.deposit(&buyer, 100_000).await;
    let orders = (0..100).map(|_| shop.try_send(post("/v1/orders").by(&buyer).once().json(&order_of("PEN", 1))));
    let pid = shop.processes[0].pid();
    let stop = async { Command::new("kill").args(["-TERM", &pid]).status().expect("kill") };
    let (replies, _) = futures_util::future::join(futures_util::future::join_all(orders), stop).await;
    shop.kill();
    shop.serve();
    let placed = replies.iter().flatten().filter(|reply| reply.status == 201).count();
    let all =
        shop.send(get("/v1/admin/orders?status=placed&include=total&limit=1").by(&shop.staff())).await.expect(200);
    assert!(all["total"].as_i64().expect("a total") >= i64::try_from(placed).expect("small"));
    shop.verify();
}
