//! The gate before the CSV parser, which would repair what is broken: only well-formed bytes pass.

use std::io::{self, Read};

/// A cell holds at most so many bytes.
const MAX_CELL: usize = 1 << 20;

/// Why the bytes are no CSV; carried through the parser inside an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(super) struct Malformed {
    /// Where.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote that closes the cell, or is the first of a pair.
    Closed,
    /// After the carriage return that ends a row.
    Return,
}

/// Reads CSV with quotes that open and close a cell, rows that end in LF or CRLF, and no NUL; passes every row on with
/// LF, the last one too, so that the parser counts lines as people do.
#[derive(Debug)]
pub(super) struct Strict<R> {
    inner: R,
    state: State,
    line: u64,
    opened: u64,
    cell: usize,
    last: u8,
}

impl<R> Strict<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, state: State::Start, line: 1, opened: 1, cell: 0, last: b'\n' }
    }

    /// Whether the byte goes on to the parser.
    fn step(&mut self, byte: u8) -> Result<bool, Malformed> {
        self.state = self.after(byte).map_err(|reason| Malformed { line: self.line, reason })?;
        self.cell = if self.state == State::Start { 0 } else { self.cell + 1 };
        if self.cell > MAX_CELL {
            return Err(Malformed { line: self.line, reason: "a cell is longer than 1 MiB; is a quote missing?" });
        }
        if self.state == State::Quoted && self.cell == 1 {
            self.opened = self.line;
        }
        self.line += u64::from(byte == b'\n');
        Ok(self.state != State::Return)
    }

    fn after(&self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (_, 0) => Err("there is a NUL byte; save the file as CSV in UTF-8"),
            (State::Return, b'\n') | (State::Start | State::Plain | State::Closed, b',' | b'\n') => Ok(State::Start),
            (State::Return, _) => Err("a row ends in a carriage return alone; save the file with LF or CRLF"),
            (State::Start | State::Plain | State::Closed, b'\r') => Ok(State::Return),
            (State::Start | State::Closed, b'"') => Ok(State::Quoted),
            (State::Quoted, b'"') => Ok(State::Closed),
            (State::Quoted, _) => Ok(State::Quoted),
            (State::Plain, b'"') => Err("a quote stands inside a cell that does not begin with one; double it and \
                                         put the whole cell in quotes"),
            (State::Start | State::Plain, _) => Ok(State::Plain),
            (State::Closed, _) => Err("text follows the quote that closes a cell; a quote inside a cell is doubled"),
        }
    }

    /// What goes on to the parser at the end of the file: the line feed that the last row may lack.
    fn end(&mut self) -> Result<Option<u8>, Malformed> {
        match self.state {
            State::Quoted => {
                Err(Malformed { line: self.opened, reason: "the quote that opens a cell here is never closed" })
            }
            State::Return => Err(Malformed { line: self.line, reason: "the file ends in a carriage return alone" }),
            State::Start | State::Plain | State::Closed => {
                let lacking = self.last != b'\n';
                self.last = b'\n';
                Ok(lacking.then_some(b'\n'))
            }
        }
    }
}

impl<R: Read> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let refused = |malformed| io::Error::new(io::ErrorKind::InvalidData, malformed);
        loop {
            let length = self.inner.read(buffer)?;
            if length == 0
                && let Some(place) = buffer.first_mut()
            {
                let lacking = self.end().map_err(refused)?;
                *place = lacking.unwrap_or(0);
                return Ok(usize::from(lacking.is_some()));
            }
            let mut kept = 0;
            for at in 0..length {
                let Some(byte) = buffer.get(at).copied() else { break };
                if self.step(byte).map_err(refused)?
                    && let Some(place) = buffer.get_mut(kept)
                {
                    *place = byte;
                    self.last = byte;
                    kept += 1;
                }
            }
            if kept > 0 || buffer.is_empty() {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str) -> Result<String, (u64, &'static str)> {
        // One byte at a time shows that no decision depends on where a chunk ends.
        let mut strict = Strict::new(text.as_bytes());
        let (mut byte, mut all) = ([0u8; 1], Vec::new());
        loop {
            match strict.read(&mut byte) {
                Ok(0) => return Ok(String::from_utf8(all).expect("text")),
                Ok(_) => all.push(byte[0]),
                Err(error) => {
                    let malformed = error.downcast::<Malformed>().expect("our own refusal");
                    return Err((malformed.line, malformed.reason));
                }
            }
        }
    }

    #[test]
    fn well_formed_rows_pass_with_line_feeds() {
        assert_eq!(passed("a,\"b \"\"x\"\", c\r\n\"\r\n,\"\"\n").as_deref(), Ok("a,\"b \"\"x\"\", c\r\n\"\n,\"\"\n"));
        assert_eq!(passed("").as_deref(), Ok(""));
        assert_eq!(passed("a,b").as_deref(), Ok("a,b\n"));
        assert_eq!(passed("a,\"b\"").as_deref(), Ok("a,\"b\"\n"));
    }

    #[test]
    fn broken_quotes_are_refused_where_they_stand() {
        for (text, line, word) in [
            ("a,b\n\"c,d\ne,f\n", 2, "never closed"),
            ("a\n12\" pan,b\n", 2, "inside a cell"),
            ("a\n\"b\" c,d\n", 2, "text follows"),
            ("a\n\"b\n\nc\"x\n", 4, "text follows"),
            ("a\rb\r", 1, "carriage return alone"),
            ("a\r", 1, "carriage return alone"),
            ("a\n\"b\0\"\n", 2, "NUL"),
        ] {
            let (found, reason) = passed(text).expect_err(text);
            assert_eq!(found, line, "{text:?}");
            assert!(reason.contains(word), "{text:?}: {reason}");
        }
    }

    #[test]
    fn a_cell_has_a_limit() {
        let text = format!("a\n\"{}\"\n", "x".repeat(MAX_CELL));
        assert!(Strict::new(text.as_bytes()).read_to_end(&mut Vec::new()).is_err());
        let text = format!("a\n{}\n", "x".repeat(MAX_CELL));
        assert!(Strict::new(text.as_bytes()).read_to_end(&mut Vec::new()).is_ok());
    }
}
