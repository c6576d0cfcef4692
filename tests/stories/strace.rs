//! What a process asked of the kernel, in order, as strace wrote it down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One thing that happened, named by the log or socket it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A database's log was written to, with this content.
    Wrote { log: String, content: String },
    /// A database's log reached the disk, all that had been written to it.
    Synced { log: String },
    /// A request came in.
    Received { request: String },
    /// An answer with a 2xx status went out.
    Answered { request: String },
}

/// Reads a log of `strace -f -y -s 65536`.
pub fn read(path: &Path) -> Vec<Happening> {
    let text = String::from_utf8_lossy(&std::fs::read(path).expect("a log of strace")).into_owned();
    let mut syncing: BTreeMap<&str, String> = BTreeMap::new();
    text.lines().filter_map(|line| happening(line, &mut syncing)).collect()
}

/// `syncing` holds the log that each thread is syncing in a call that has begun and not ended.
fn happening<'a>(line: &'a str, syncing: &mut BTreeMap<&'a str, String>) -> Option<Happening> {
    let (thread, call) = line.split_once(' ')?;
    let call = call.trim_start();
    if call.contains("fdatasync resumed>") || call.contains("fsync resumed>") {
        let log = syncing.remove(thread)?;
        return done(call).then_some(Happening::Synced { log });
    }
    if call.contains("recvfrom resumed>") || call.contains("read resumed>") {
        // What was received is told where the call ends, when another thread's line came between.
        return header(call, "Idempotency-Key: ").map(|request| Happening::Received { request });
    }
    let (name, arguments) = call.split_once('(')?;
    match name {
        "fdatasync" | "fsync" => {
            let log = log_of(arguments)?;
            if arguments.contains("<unfinished ...>") {
                syncing.insert(thread, log);
                return None;
            }
            done(arguments).then_some(Happening::Synced { log })
        }
        "pwrite64" => Some(Happening::Wrote { log: log_of(arguments)?, content: arguments.to_owned() }),
        "recvfrom" | "read" => header(arguments, "Idempotency-Key: ").map(|request| Happening::Received { request }),
        "sendto" | "write" | "writev" if arguments.contains("HTTP/1.1 2") => {
            header(arguments, "x-request-id: ").map(|request| Happening::Answered { request })
        }
        _ => None,
    }
}

/// Whether a call really returned 0; one that strace did not let through has not.
fn done(call: &str) -> bool {
    call.trim_end().ends_with("= 0")
}

/// The database's log that a file descriptor stands for, as in `12</tmp/x/shop.db-wal>`.
fn log_of(arguments: &str) -> Option<String> {
    let path = arguments.split_once('<')?.1.split_once('>')?.0;
    path.strip_suffix(".db-wal")?.rsplit('/').next().map(str::to_owned)
}

/// The value of a header in what was sent or received, whatever the case of its name.
fn header(arguments: &str, name: &str) -> Option<String> {
    let start = arguments.to_ascii_lowercase().find(&name.to_ascii_lowercase())? + name.len();
    let value: String = arguments[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Some(value)
}

/// Requests that were answered before what they wrote had reached the disk.
pub fn answered_too_early(happenings: &[Happening]) -> BTreeSet<String> {
    let answered = happenings.iter().enumerate().filter_map(|(at, happening)| match happening {
        Happening::Answered { request } => Some((at, request)),
        _ => None,
    });
    let early = answered.filter(|(at, request)| !is_on_disk(&happenings[..*at], request));
    early.map(|(_, request)| request.clone()).collect()
}

/// Whether the request's key was written to a log that was synced after that.
fn is_on_disk(before: &[Happening], request: &str) -> bool {
    let written = before.iter().enumerate().find_map(|(at, happening)| match happening {
        Happening::Wrote { log, content } if content.contains(request) => Some((at, log)),
        _ => None,
    });
    written.is_some_and(|(at, log)| before[at..].contains(&Happening::Synced { log: log.clone() }))
}

/// How often each log was written to and then synced between a request and its answer.
pub fn commits_for(happenings: &[Happening], request: &str) -> BTreeMap<String, usize> {
    let request = request.to_owned();
    let from = happenings.iter().position(|h| *h == Happening::Received { request: request.clone() });
    let to = happenings.iter().position(|h| *h == Happening::Answered { request: request.clone() });
    let (mut dirty, mut commits) = (BTreeSet::new(), BTreeMap::new());
    for happening in &happenings[from.expect("received")..to.expect("answered")] {
        match happening {
            Happening::Wrote { log, .. } => {
                dirty.insert(log);
            }
            Happening::Synced { log } if dirty.remove(log) => *commits.entry(log.clone()).or_default() += 1,
            _ => {}
        }
    }
    commits
}
