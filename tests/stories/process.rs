//! A process of a story: the real binary, with a folder and ports of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::door::Door;

/// A process that holds some modules, or will.
pub struct Process {
    /// What it holds, as the first of its modules is called.
    pub name: &'static str,
    pub data: PathBuf,
    /// Settings of its own, as the environment says them.
    pub environment: Vec<(String, String)>,
    /// Where others find it, when it has neighbours.
    pub door: Option<Door>,
    pub public: String,
    pub management: String,
    child: Option<Child>,
}

impl Process {
    pub fn new(name: &'static str, data: PathBuf) -> Self {
        let (public, management) = (String::new(), String::new());
        Self { name, data, environment: Vec::new(), door: None, public, management, child: None }
    }

    /// A command with its data and settings, not yet started.
    pub fn command(&self, mut program: Command, arguments: &[&str]) -> Command {
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        // What whoever runs the tests has set is for his own shop.
        let foreign = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in foreign.filter(|name| name.starts_with("EMPORIUM_") || name.starts_with("TEST_FAILPOINT")) {
            program.env_remove(name);
        }
        program.args(arguments).arg("--data").arg(&self.data).envs(environment);
        program
    }

    /// Starts it and waits until it listens.
    pub fn serve(&mut self, program: Command, options: &[&str], environment: &[(&str, &str)]) {
        let arguments = ["serve", "--json", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"];
        let mut command = self.command(program, &[&arguments[..], options].concat());
        command.env("EMPORIUM_PAYMENTS__DEPOSITS", "instant").env("EMPORIUM_LOG__LEVEL", "error");
        command.envs(environment.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let told: Value = serde_json::from_str(&line).expect("one JSON object on the first line");
        self.public = told["public"].as_str().expect("public").to_owned();
        self.management = told["management"].as_str().expect("management").to_owned();
        if let Some(door) = &self.door {
            door.lead_to(&self.management);
        }
        self.child = Some(child);
    }

    /// Whether it was started and not waited for.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    pub fn pid(&self) -> String {
        self.child.as_ref().expect("runs").id().to_string()
    }

    /// Ends it with SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kills");
            child.wait().expect("waits");
        }
    }

    /// Asks it to stop with SIGTERM and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        assert!(Command::new("kill").args(["-TERM", &self.pid()]).status().expect("kill").success());
        self.died()
    }

    /// Waits until it has ended.
    pub fn died(&mut self) -> ExitStatus {
        let (mut child, began) = (self.child.take().expect("runs"), Instant::now());
        loop {
            if let Some(status) = child.try_wait().expect("waits") {
                return status;
            }
            if began.elapsed() > Duration::from_secs(60) {
                child.kill().expect("kills");
                panic!("the process goes on");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
