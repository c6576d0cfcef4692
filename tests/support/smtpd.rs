//! A mail server of a test's own.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses its own part of this")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server (aiosmtpd). It ends with the test.
pub struct Smtpd {
    folder: TempDir,
    process: Child,
    /// Where it listens, on this machine.
    pub port: u16,
}

impl Smtpd {
    /// One that takes mail from everybody, in the clear.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One that insists on TLS and a login, and the certificate of the authority that vouches for it. Both are kept in
    /// `folder`.
    pub fn secure(folder: &Path, mode: &str) -> (Self, PathBuf) {
        let file = |name: &str| folder.join(name).display().to_string();
        let [authority, its_key, certificate, key] =
            ["authority.pem", "authority.key", "certificate.pem", "certificate.key"].map(file);
        openssl(&["-subj", "/CN=Authority of a test", "-keyout", &its_key, "-out", &authority]);
        let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &authority, "-CAkey", &its_key];
        openssl(&[&names[..], &leaf, &["-keyout", &key, "-out", &certificate]].concat());
        (Self::with(&[&certificate, &key, mode]), authority.into())
    }

    fn with(tls: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // The system's own Python, for which the package is installed.
        let mut python = Command::new("/usr/bin/python3");
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtpd.py")).arg(folder.path()).args(tls);
        let mut process = python.stdout(Stdio::piped()).spawn().expect("install the package python3-aiosmtpd");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port: install the package python3-aiosmtpd");
        Self { folder, process, port }
    }

    /// Takes no mail from now on, or takes it again.
    pub fn set_busy(&self, busy: bool) {
        let file = self.folder.path().join("busy");
        if busy { std::fs::write(file, "").expect("writes") } else { std::fs::remove_file(file).expect("removes") }
    }

    /// The mails taken so far, in the order of their arrival: the line `X-To:` with the recipients, then the mail.
    pub fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).expect("reads").flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "eml")).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).expect("reads")).collect()
    }

    /// The mails, once there are so many.
    pub async fn until(&self, count: usize) -> Vec<String> {
        let started = Instant::now();
        loop {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{} of {count} mails came", mails.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Makes a certificate.
fn openssl(arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]);
    let made = openssl.args(arguments).output().expect("install the package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
