//! A running shop of a story: its own process, folder and ports, and what is needed to talk to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use emporium_auth_api::{AUDIENCE, CLIENT_ID, Claims, ISSUER, SessionId, TOKEN_TYPE, UserId};
use emporium_kernel::{Clock, Random, Role, secret_file};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Client;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::door::Door;
use crate::mariadbd::Mariadbd;
use crate::process::Process;
use crate::request::{Reply, Request, get, post};

/// Tells each story under every deployment.
macro_rules! everywhere {
    ($($story:ident),* $(,)?) => {
        in_one_process!($($story),*);
        mod split_on_sqlite {
            $(#[tokio::test] async fn $story() { super::$story(crate::deployment::Shape::SplitOnSqlite).await })*
        }
        mod split_on_mariadb {
            $(#[tokio::test] async fn $story() { super::$story(crate::deployment::Shape::SplitOnMariadb).await })*
        }
    };
}

/// Tells each story of one process, on each kind of database.
macro_rules! in_one_process {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $story() { super::$story(crate::deployment::Shape::OnSqlite).await })*
        }
        mod on_mariadb {
            $(#[tokio::test] async fn $story() { super::$story(crate::deployment::Shape::OnMariadb).await })*
        }
    };
}

/// How a shop is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One process, with files in its data folder.
    OnSqlite,
    /// One process, with a database server of the story's own, of which the answer to each commit is lost once: everything
    /// is done twice, and must find out that it was done.
    OnMariadb,
    /// A process for each module, each with a file in its data folder.
    SplitOnSqlite,
    /// A process for each module, each with a database on a server of the story's own.
    SplitOnMariadb,
}

impl Shape {
    pub fn is_split(self) -> bool {
        matches!(self, Self::SplitOnSqlite | Self::SplitOnMariadb)
    }

    pub fn has_server(self) -> bool {
        matches!(self, Self::OnMariadb | Self::SplitOnMariadb)
    }
}

/// Says whether the answer to each commit is lost once.
pub const LOST_COMMITS: &str = "TEST_LOST_COMMITS";

const MODULES: [&str; 4] = ["auth", "wallet", "inventory", "shop"];

/// A shop: one process that holds everything, or one for each module.
pub struct Deployment {
    folder: TempDir,
    /// What keeps the data, where that is not the process itself.
    pub server: Option<Mariadbd>,
    pub processes: Vec<Process>,
    client: Client,
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Person {
    pub id: String,
    pub token: String,
}

fn emporium() -> Command {
    Command::new(env!("CARGO_BIN_EXE_emporium"))
}

impl Deployment {
    pub fn start(shape: Shape) -> Self {
        Self::start_with(shape, &[])
    }

    /// The same with further settings, as the environment says them.
    pub fn start_with(shape: Shape, settings: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // No longer than a server keeps an idle connection.
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .timeout(Duration::from_secs(120));
        let client = client.build().expect("a client");
        let server = shape.has_server().then(Mariadbd::start);
        let data = folder.path().join("data");
        let mut processes = match shape.is_split() {
            true => split(&data),
            false => vec![Process::new("emporium", data)],
        };
        let loses_commits = if shape == Shape::OnMariadb { "yes" } else { "no" };
        for process in &mut processes {
            process.environment.push((LOST_COMMITS.to_owned(), loses_commits.to_owned()));
            process.environment.extend(server.iter().flat_map(on_server));
            process.environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        let mut shop = Self { folder, server, processes, client };
        let lent = shop.holder_of("auth").data.join("auth-signing.key");
        secret_file::make(&lent, &signing_key()).expect("auth encrypts what it finds there");
        shop.serve();
        shop
    }

    /// The process that holds a module.
    pub fn holder_of(&self, module: &str) -> &Process {
        self.processes.iter().find(|process| process.name == module).unwrap_or(&self.processes[0])
    }

    /// The only process.
    fn only(&mut self) -> &mut Process {
        assert_eq!(self.processes.len(), 1, "a story of one process");
        &mut self.processes[0]
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The management address of the shop.
    pub fn management(&self) -> &str {
        &self.holder_of("shop").management
    }

    /// Lets every process trust the servers that this certificate vouches for, from its next start on.
    pub fn trust(&mut self, certificate: &Path) {
        let variable = ("SSL_CERT_FILE".to_owned(), certificate.display().to_string());
        self.processes.iter_mut().for_each(|process| process.environment.push(variable.clone()));
    }

    /// Starts what does not run, on the same data, and waits until it listens.
    pub fn serve(&mut self) {
        for process in self.processes.iter_mut().filter(|process| !process.runs()) {
            process.serve(emporium(), &[], &[]);
        }
    }

    /// The same with further options.
    pub fn serve_with(&mut self, options: &[&str]) {
        self.only().serve(emporium(), options, &[]);
    }

    /// The same, but the process ends at this point of its work, as in `capture.before_commit`.
    pub fn serve_until(&mut self, failpoint: &str) {
        self.only().serve(emporium(), &[], &[("TEST_FAILPOINT", failpoint)]);
    }

    /// Waits until the process has ended by itself.
    pub fn died(&mut self) -> ExitStatus {
        self.only().died()
    }

    /// The same, watched by strace, which writes down what is asked of disk and network, and injects `faults`.
    pub fn serve_watched(&mut self, faults: &[&str]) {
        let mut strace = Command::new("strace");
        // With `-D` the process itself stays our child.
        strace.args([
            "-D",
            "-f",
            "-y",
            "-s",
            "65536",
            "-e",
            "trace=pwrite64,fdatasync,fsync,recvfrom,read,sendto,write,writev",
        ]);
        strace.args(faults).arg("-o").arg(self.strace_log()).arg("--").arg(env!("CARGO_BIN_EXE_emporium"));
        self.only().serve(strace, &[], &[]);
    }

    /// Where strace writes.
    pub fn strace_log(&self) -> PathBuf {
        self.folder.path().join("strace.log")
    }

    /// Ends every process with SIGKILL.
    pub fn kill(&mut self) {
        self.processes.iter_mut().for_each(Process::kill);
    }

    /// Asks every process to stop with SIGTERM, callers first, and waits for its end; how the last of them ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.processes.iter_mut().rev().map(Process::stop).last().expect("a process")
    }

    /// The server that keeps the databases, if one does.
    pub fn server(&self) -> Option<&Mariadbd> {
        self.server.as_ref()
    }

    /// A command on the data of this shop, not yet started.
    pub fn binary(&self, arguments: &[&str]) -> Command {
        let module = match arguments[0] {
            "user" => "auth",
            "stock" => "inventory",
            "wallet" | "audit" => "wallet",
            _ => "shop",
        };
        self.holder_of(module).command(emporium(), arguments)
    }

    /// Runs a command beside the server or, when it is stopped, alone.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.binary(arguments).output().expect("runs")
    }

    /// The JSON that a command prints, after checking its exit code.
    #[track_caller]
    pub fn told(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out} {err}");
        let text = if out.trim().is_empty() { err } else { out };
        serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// What becomes of an order that was answered like this: placed, or the code of its refusal. On a machine that is
    /// busy with other tests, an order may be accepted first and end a moment later.
    pub async fn fate(&self, reply: &Reply) -> String {
        match reply.status.as_u16() {
            201 => "placed".to_owned(),
            202 => {
                let path = format!("/v1/admin/orders/{}", reply.body["id"].as_str().expect("an id"));
                let order = self.send(get(&path).by(&self.staff())).await.expect(200);
                let end = order["cancel_reason"].as_str().or(order["status"].as_str());
                end.expect("it has ended").to_owned()
            }
            _ => reply.problem().1.to_owned(),
        }
    }

    /// Waits until no order is unfinished; recovery has seconds for it. How long it took.
    pub async fn until_all_are_terminal(&self) -> Duration {
        let started = std::time::Instant::now();
        let staff = self.staff();
        loop {
            let open = self.send_patiently(get("/v1/admin/orders/unfinished").by(&staff)).await.expect(200);
            if open["data"] == json!([]) {
                return started.elapsed();
            }
            // Machines are busy with other tests.
            assert!(started.elapsed() < Duration::from_secs(60), "still unfinished: {}", open["data"][0]);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All three books are right.
    #[track_caller]
    pub fn verify(&self) {
        for book in ["stock", "wallet", "order"] {
            let audit = self.told(&[book, "verify"], 0);
            assert_eq!(audit["findings"], json!([]), "{book}");
        }
    }

    /// Somebody with these roles, whom auth has never heard of.
    pub fn person(&self, roles: &[Role]) -> Person {
        self.holder(UserId::new(Clock::system().now(), &Random::system()), roles)
    }

    /// A customer who registered; the login is spared.
    pub async fn signed_up(&self, email: &str) -> Person {
        let who = json!({"email": email, "password": "correct horse battery", "name": "Somebody"});
        let user = self.send(post("/v1/auth/register").json(&who)).await.expect(201);
        let id = user["user"]["id"].as_str().and_then(UserId::parse).expect("an id");
        self.holder(id, &[Role::Customer])
    }

    /// A token for this user, signed with the shop's own key, which spares thousands of logins.
    fn holder(&self, id: UserId, roles: &[Role]) -> Person {
        let (now, random) = (Clock::system().now(), Random::system());
        let key = signing_key();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: id,
            aud: AUDIENCE.to_owned(),
            exp: now.seconds() + 600,
            iat: now.seconds(),
            jti: random.token::<16>(),
            client_id: CLIENT_ID.to_owned(),
            roles: roles.iter().copied().collect::<BTreeSet<_>>(),
            sid: SessionId::new(now, &random),
            ver: 1,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(kid(&key));
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key)).expect("signs");
        Person { id: claims.sub.to_string(), token }
    }

    /// The same user in another session, and with this role alone, as the token says.
    pub fn in_role(&self, person: &Person, role: Role) -> Person {
        self.holder(UserId::parse(&person.id).expect("an id"), &[role])
    }

    /// The same customer with a new token.
    pub fn again(&self, customer: &Person) -> Person {
        self.holder(UserId::parse(&customer.id).expect("an id"), &[Role::Customer])
    }

    /// Somebody who registered, with a token of the shop's own making.
    pub async fn registered(&self, email: &str) -> Person {
        let who = json!({"email": email, "password": "correct horse battery", "name": "Somebody"});
        let user = self.send(post("/v1/auth/register").json(&who)).await.expect(201);
        let tokens = self.send(post("/v1/auth/login").json(&json!({"email": email, "password": who["password"]})));
        let token = tokens.await.expect(200)["access_token"].as_str().expect("a token").to_owned();
        Person { id: user["user"]["id"].as_str().expect("an id").to_owned(), token }
    }

    pub fn buyer(&self) -> Person {
        self.person(&[Role::Customer])
    }

    pub fn staff(&self) -> Person {
        self.person(&[Role::Staff])
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<'_>) -> Reply {
        self.try_send(request).await.expect("answers")
    }

    /// The same, sent again while the shop says 503: for a moment after a process or its database is back, its neighbours
    /// do not ask it yet.
    pub async fn send_patiently(&self, request: Request<'_>) -> Reply {
        let started = std::time::Instant::now();
        loop {
            let reply = self.send(request.clone()).await;
            if reply.status != 503 || started.elapsed() > Duration::from_secs(60) {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same where the shop may be gone.
    pub async fn try_send(&self, request: Request<'_>) -> Result<Reply, reqwest::Error> {
        let process = self.holder_of(home(&request.path));
        let mut sent = self.client.request(request.method, format!("{}{}", process.public, request.path));
        if let Some(person) = request.person {
            sent = sent.bearer_auth(&person.token);
        }
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if let Some(body) = request.body {
            sent = sent.header("Content-Type", "application/json").body(body);
        }
        let answer = sent.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { status, headers, body })
    }

    /// Puts a product with one SKU on sale, with stock.
    pub async fn sell(&self, sku: &str, cents: i64, on_hand: i64) {
        let staff = self.staff();
        let product = json!({
            "title": format!("Product {sku}"),
            "status": "active",
            "skus": [{"sku": sku, "title": "", "price": {"amount": cents, "currency": "USD"}}],
        });
        self.send(post("/v1/admin/products").by(&staff).json(&product)).await.expect(201);
        self.stock(sku, on_hand).await;
    }

    pub async fn stock(&self, sku: &str, on_hand: i64) {
        let rows = json!({"adjustments": [{"sku": sku, "set": on_hand, "reason": "counted"}]});
        self.send(post("/v1/admin/stock/adjustments").by(&self.staff()).once().json(&rows)).await.expect(200);
    }

    /// Gives somebody money.
    pub async fn deposit(&self, person: &Person, cents: i64) {
        let amount = json!({"amount": {"amount": cents, "currency": "USD"}});
        self.send(post("/v1/wallet/deposits").by(person).once().json(&amount)).await.expect(201);
    }

    pub async fn balance(&self, person: &Person) -> i64 {
        let wallet = self.send_patiently(get("/v1/wallet").by(person)).await.expect(200);
        wallet["balances"][0]["available"].as_i64().unwrap_or(0)
    }

    /// On hand and reserved of a SKU, over all locations.
    pub async fn shelf(&self, sku: &str) -> (i64, i64) {
        let ask = get(&format!("/v1/admin/stock?sku={sku}"));
        let rows = self.send_patiently(ask.by(&self.staff())).await.expect(200);
        let sum = |field: &str| rows["data"].as_array().expect("rows").iter().filter_map(|r| r[field].as_i64()).sum();
        (sum("on_hand"), sum("reserved"))
    }
}

/// Where the modules keep their data, as the environment says it.
fn on_server(server: &Mariadbd) -> Vec<(String, String)> {
    let place = |module: &str| {
        let name = format!("EMPORIUM_MODULES__{}__DATABASE", module.to_uppercase());
        (name, server.url(&format!("{module}db")))
    };
    // Where others may drive an order as well, one whose process died waits until its lease has run out.
    let lease = ("EMPORIUM_SHOP__LEASE_SECS".to_owned(), "1".to_owned());
    MODULES.map(place).into_iter().chain([lease]).collect()
}

/// A process for each module, which know where the others are and whom to trust.
fn split(data: &Path) -> Vec<Process> {
    let mut processes: Vec<Process> = MODULES.map(|module| Process::new(module, data.join(module))).into();
    let mut known = Vec::new();
    for process in &mut processes {
        let door = process.door.insert(Door::open()).url.clone();
        let key = process.command(emporium(), &["config", "key", "--json"]).output().expect("runs").stdout;
        let key: Value = serde_json::from_slice(&key).expect("a key");
        let module = process.name.to_uppercase();
        known.push((format!("EMPORIUM_MODULES__{module}__URL"), door));
        known.push((format!("EMPORIUM_SERVICES__TRUSTED__{module}"), format!("[{}]", key["public_key"])));
    }
    for process in &mut processes {
        process.environment.extend(known.clone());
        process.environment.push(("EMPORIUM_MODULES__HELD".to_owned(), format!("[\"{}\"]", process.name)));
    }
    processes
}

/// Which module answers a path.
fn home(path: &str) -> &'static str {
    let homes = [
        ("/v1/auth", "auth"),
        ("/v1/me/export", "shop"),
        ("/v1/me", "auth"),
        ("/.well-known", "auth"),
        ("/v1/admin/users", "auth"),
        ("/v1/admin/mail", "auth"),
        ("/v1/admin/api-keys", "auth"),
        ("/v1/admin/invitations", "auth"),
        ("/v1/wallet", "wallet"),
        ("/v1/admin/wallets", "wallet"),
        ("/v1/admin/deposits", "wallet"),
        ("/v1/admin/withdrawals", "wallet"),
        ("/v1/availability", "inventory"),
        ("/v1/admin/stock", "inventory"),
        ("/v1/admin/locations", "inventory"),
        ("/v1/admin/reservations", "inventory"),
    ];
    homes.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or("shop", |(_, module)| module)
}

/// The key that shops of stories sign with, in PKCS#8.
fn signing_key() -> Vec<u8> {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    pair.to_pkcs8().expect("bytes").as_ref().to_vec()
}

/// How auth names the key: the start of the hash of its public part.
fn kid(pkcs8: &[u8]) -> String {
    use aws_lc_rs::signature::KeyPair;
    use base64::Engine;
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(pkcs8).expect("a key");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash).chars().take(16).collect()
}

/// A file beside the data of a deployment.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("writes");
    path
}
