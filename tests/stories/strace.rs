//! What a process asked of the kernel, in order, as strace wrote it down; and whether it answered anybody before what
//! the answer acknowledges was on the disk.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::path::Path;
use std::str::Bytes;

/// One thing that happened. Files are databases and their logs, without their folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A file was written to, with what strace shows as this text.
    Wrote { file: String, offset: usize, text: String },
    /// A file reached the disk, as it was after the first so many happenings: what came later may not have.
    Synced { file: String, since: usize },
    /// An answer with a 2xx status began to go out.
    Answered { request: String },
}

/// What the answer to a request acknowledges: words that the log of a database holds once it is done, and not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    pub request: String,
    pub database: &'static str,
    pub words: String,
}

impl Promise {
    pub fn new(request: &str, database: &'static str, words: impl Into<String>) -> Self {
        Self { request: request.to_owned(), database, words: words.into() }
    }
}

/// How a promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// No answer with a 2xx status went out.
    Unanswered,
    /// When the answer went out, its words had not been written.
    Unwritten,
    /// They had, but no sync that began after that had ended.
    Unsynced,
}

/// The promises that are broken, each with how.
pub fn check<'a>(happenings: &[Happening], promises: &'a [Promise]) -> Vec<(&'a Promise, Breach)> {
    promises.iter().filter_map(|promise| breach(happenings, promise).map(|breach| (promise, breach))).collect()
}

fn breach(happenings: &[Happening], promise: &Promise) -> Option<Breach> {
    let log = format!("{}.db-wal", promise.database);
    let is_answer = |one: &Happening| matches!(one, Happening::Answered { request } if *request == promise.request);
    // Where the words come first: later commits write them again, on the pages that they share with others.
    let has_words = |one: &Happening| match one {
        Happening::Wrote { file, text, .. } => *file == log && text.contains(promise.words.as_str()),
        _ => false,
    };
    let Some(answer) = happenings.iter().position(is_answer) else { return Some(Breach::Unanswered) };
    let before = &happenings[..answer];
    let Some(write) = before.iter().position(has_words) else { return Some(Breach::Unwritten) };
    let is_sync = |one: &Happening| matches!(one, Happening::Synced { file, since } if *file == log && *since > write);
    if before.iter().any(is_sync) { None } else { Some(Breach::Unsynced) }
}

/// Reads a log of `strace -f -y -s 65536`.
pub fn read(path: &Path) -> Vec<Happening> {
    told(&String::from_utf8_lossy(&std::fs::read(path).expect("a log of strace")))
}

fn told(log: &str) -> Vec<Happening> {
    let mut reader = Reader::default();
    log.lines().for_each(|line| reader.read(line));
    reader.happenings
}

#[derive(Default)]
struct Reader<'a> {
    happenings: Vec<Happening>,
    /// What each thread asks for in a call that has begun and not ended: it has happened when the call ends.
    begun: BTreeMap<&'a str, Happening>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, line: &'a str) {
        let Some((thread, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        if call.starts_with("<... ") {
            self.happenings.extend(self.begun.remove(thread).filter(|_| is_done(call)));
            return;
        }
        let Some((name, arguments)) = call.split_once('(') else { return };
        match self.asked(name, arguments) {
            // It may be read before the call has ended.
            Some(answer @ Happening::Answered { .. }) => self.happenings.push(answer),
            Some(begun) if arguments.ends_with("<unfinished ...>") => {
                self.begun.insert(thread, begun);
            }
            Some(done) if is_done(arguments) => self.happenings.push(done),
            _ => {}
        }
    }

    fn asked(&self, name: &str, arguments: &str) -> Option<Happening> {
        match name {
            "fdatasync" | "fsync" => {
                Some(Happening::Synced { file: file_of(arguments)?, since: self.happenings.len() })
            }
            "pwrite64" => {
                let file = file_of(arguments)?;
                // Quotes within the text have a backslash before them, those around it have not.
                let (text, numbers) = arguments.split_once(", \"")?.1.rsplit_once("\", ")?;
                let offset = numbers.split_once(", ")?.1.split(|c: char| !c.is_ascii_digit()).next()?;
                Some(Happening::Wrote { file, offset: offset.parse().ok()?, text: text.to_owned() })
            }
            "sendto" | "write" | "writev" if arguments.contains("\"HTTP/1.1 2") => {
                header(arguments, "x-request-id: ").map(|request| Happening::Answered { request })
            }
            _ => None,
        }
    }
}

/// Whether a call returned no error; one that strace did not let through has not done anything.
fn is_done(call: &str) -> bool {
    call.rsplit_once("= ").is_some_and(|(_, result)| result.parse::<usize>().is_ok())
}

/// The database or log that a file descriptor stands for, as in `12</tmp/x/shop.db-wal>`.
fn file_of(arguments: &str) -> Option<String> {
    let path = arguments.split_once('<')?.1.split_once('>')?.0;
    let name = path.rsplit('/').next()?;
    (name.ends_with(".db") || name.ends_with(".db-wal")).then(|| name.to_owned())
}

/// The value of a header in what was sent, whatever the case of its name.
fn header(arguments: &str, name: &str) -> Option<String> {
    let start = arguments.to_ascii_lowercase().find(name)? + name.len();
    Some(arguments[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
}

/// The bytes that strace shows as this text.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text.bytes().peekable();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'\\' { escaped(&mut rest) } else { byte });
    }
    bytes
}

/// The byte that stands behind a backslash: by a letter, by one to three octal digits, or as itself.
fn escaped(rest: &mut Peekable<Bytes<'_>>) -> u8 {
    match rest.next().expect("something behind a backslash") {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'f' => 0x0c,
        digit @ b'0'..=b'7' => {
            let mut value = u32::from(digit - b'0');
            for _ in 0..2 {
                let Some(digit) = rest.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                value = 8 * value + u32::from(digit - b'0');
            }
            u8::try_from(value).expect("a byte")
        }
        itself => itself,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENDING: &str = r#"7   pwrite64(12</d/shop.db-wal>, "\0\31order.createdord_1\3", 4096, 56) = 4096"#;
    const PLACED: &str = r#"7   pwrite64(12</d/shop.db-wal>, "\0\"order.placedord_1\3", 4096, 8232) = 4096"#;
    const SYNCED: &str = "7   fdatasync(12</d/shop.db-wal>)     = 0";
    const ANSWERED: &str =
        r#"8   sendto(20<socket:[1]>, "HTTP/1.1 201 Created\r\nX-Request-Id: order-1-end\r\n\r\n{}", 70, 0) = 70"#;

    /// How the promise is broken that the order is placed, by this trace.
    fn broken(trace: &[&str]) -> Option<Breach> {
        let promises = [Promise::new("order-1-end", "shop", "order.placedord_1")];
        check(&told(&trace.join("\n")), &promises).pop().map(|(_, breach)| breach)
    }

    #[test]
    fn an_answer_after_the_sync_of_what_it_says_is_right() {
        assert_eq!(broken(&[PENDING, SYNCED, PLACED, SYNCED, ANSWERED]), None);
        assert_eq!(broken(&[PLACED, SYNCED, PLACED, ANSWERED, SYNCED]), None, "a later commit shows the same again");
        let begun = "7   fdatasync(12</d/shop.db-wal> <unfinished ...>";
        let ended = "7   <... fdatasync resumed>)           = 0";
        assert_eq!(broken(&[PLACED, begun, "8   <... read resumed>) = 8", ended, ANSWERED]), None);
    }

    #[test]
    fn an_answer_before_the_sync_is_found() {
        assert_eq!(broken(&[PLACED, ANSWERED, SYNCED]), Some(Breach::Unsynced));
        assert_eq!(broken(&[PENDING, SYNCED, PLACED, ANSWERED, SYNCED]), Some(Breach::Unsynced), "of what was before");
        let begun = "7   fdatasync(12</d/shop.db-wal> <unfinished ...>";
        let ended = "7   <... fdatasync resumed>)           = 0";
        assert_eq!(broken(&[PLACED, begun, ANSWERED, ended]), Some(Breach::Unsynced), "it had not ended");
    }

    #[test]
    fn a_sync_that_began_before_the_write_does_not_count() {
        let (sync, synced) = ("9   fdatasync(13</d/shop.db-wal> <unfinished ...>", "9   <... fdatasync resumed>) = 0");
        assert_eq!(broken(&[sync, PLACED, synced, ANSWERED]), Some(Breach::Unsynced));
        let write = r#"7   pwrite64(12</d/shop.db-wal>, "\0\"order.placedord_1\3", 4096, 8232 <unfinished ...>"#;
        let written = "7   <... pwrite64 resumed>)            = 4096";
        assert_eq!(broken(&[write, sync, written, synced, ANSWERED]), Some(Breach::Unsynced), "nor before its end");
        assert_eq!(broken(&[write, sync, written, synced, SYNCED, ANSWERED]), None);
    }

    #[test]
    fn a_sync_of_something_else_or_one_that_failed_does_not_count() {
        for other in [
            "7   fdatasync(14</d/wallet.db-wal>)   = 0",
            "7   fdatasync(11</d/shop.db>)         = 0",
            "7   fdatasync(12</d/shop.db-wal>)     = -1 EIO (Input/output error) (INJECTED)",
            "7   fdatasync(12</d/shop.db-wal>)     = 0 (INJECTED)",
            "7   fdatasync(12</d/shop.db-wal>",
        ] {
            assert_eq!(broken(&[PLACED, other, ANSWERED]), Some(Breach::Unsynced), "{other}");
        }
    }

    #[test]
    fn what_was_not_written_or_not_answered_is_no_promise_kept() {
        assert_eq!(broken(&[PENDING, SYNCED, ANSWERED, PLACED, SYNCED]), Some(Breach::Unwritten));
        let full = PLACED.replace("= 4096", "= -1 ENOSPC (No space left on device) (INJECTED)");
        assert_eq!(broken(&[&full, SYNCED, ANSWERED]), Some(Breach::Unwritten));
        let elsewhere = PLACED.replace("shop", "auth");
        assert_eq!(broken(&[&elsewhere, SYNCED, ANSWERED]), Some(Breach::Unwritten));
        assert_eq!(broken(&[PLACED, SYNCED]), Some(Breach::Unanswered));
        let refused = ANSWERED.replace("201 Created", "503 Service Unavailable");
        assert_eq!(broken(&[PLACED, SYNCED, &refused]), Some(Breach::Unanswered));
    }

    #[test]
    fn the_text_stands_for_bytes() {
        let wrote = told(r#"7   pwrite64(12</d/shop.db-wal>, "7\177\6\2020-\342\30\0\1\"\\\n\0003", 4096, 32) = 4096"#);
        let [Happening::Wrote { file, offset, text }] = wrote.as_slice() else { panic!("{wrote:?}") };
        assert_eq!((file.as_str(), *offset), ("shop.db-wal", 32));
        assert_eq!(bytes(text), b"7\x7f\x06\x820-\xe2\x18\0\x01\"\\\n\x003");
    }
}
