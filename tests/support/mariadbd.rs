//! A MariaDB server of a test's own: in a folder of its own, heard on a socket alone, durable as in production.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its own part of this")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server. It ends with the test.
pub struct Mariadbd {
    folder: TempDir,
    process: Option<Child>,
}

/// Settings with which the server is set up and run: small, but with durable commits.
const SETTINGS: [&str; 4] = [
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=1",
    "--skip-log-bin",
];

impl Mariadbd {
    /// Sets up and starts a server without any database of ours.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { folder, process: None };
        let mut install = server.program("mariadb-install-db");
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        let done =
            install.stdout(Stdio::null()).output().expect("install the package mariadb-server: no mariadb-install-db");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        server.serve();
        server
    }

    /// Starts it on the same data and waits until it listens.
    pub fn serve(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut mariadbd = self.program("mariadbd");
        mariadbd.arg("--skip-networking").arg(format!("--socket={}", self.socket().display()));
        mariadbd.args(SETTINGS).stdout(Stdio::null()).stderr(log);
        self.process = Some(mariadbd.spawn().expect("install the package mariadb-server: no mariadbd"));
        let began = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kills");
            process.wait().expect("waits");
        }
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@localhost/{database}?unix_socket={}", self.socket().display())
    }

    /// Runs statements as an operator would.
    pub fn told(&self, statements: &str) -> String {
        let mut mariadb = Command::new("mariadb");
        mariadb.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
        mariadb.arg(format!("--socket={}", self.socket().display())).args(["--execute", statements]);
        let done = mariadb.output().expect("the client mariadb");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    /// How many rows it has read for statements since it started, beyond those that this question reads.
    pub fn rows_read(&self) -> i64 {
        let count = || -> i64 {
            let rows = "select sum(variable_value) from information_schema.global_status \
                where variable_name like 'HANDLER\\_READ\\_%' or variable_name = 'HANDLER_ICP_ATTEMPTS'";
            self.told(rows).trim().parse().expect("a number")
        };
        // The second time it has read what the first one read as well.
        let first = count();
        2 * first - count()
    }

    /// What is read for one page: how many rows.
    pub async fn rows_of<T>(&self, reading: impl Future<Output = T>) -> (T, i64) {
        let before = self.rows_read();
        let read = reading.await;
        (read, self.rows_read() - before)
    }

    /// Where it is heard.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(name);
        program.arg("--no-defaults").arg(format!("--datadir={}", self.folder.path().join("data").display()));
        // Two servers that are set up at once crash when their temporary tables meet.
        program.arg(format!("--tmpdir={}", self.folder.path().display()));
        // Neither program runs as root without being told to.
        let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(self.folder.path()).expect("a folder")) == 0;
        if root {
            program.arg("--user=root");
        }
        program
    }
}

impl Drop for Mariadbd {
    fn drop(&mut self) {
        self.kill();
    }
}
