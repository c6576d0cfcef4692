//! One connection that asks and is answered, again and again, with as little work of ours as that needs.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const READ_AT_ONCE: usize = 16 * 1024;
const MOST_HEADERS: usize = 48;

/// A connection that is opened when it is needed, and again after it was closed.
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    input: Vec<u8>,
    body: Range<usize>,
}

struct Head {
    status: u16,
    bytes: usize,
    body: Body,
    closes: bool,
}

#[derive(Clone, Copy)]
enum Body {
    Bytes(usize),
    Chunked,
}

impl Client {
    /// A client of this server.
    pub fn of(address: SocketAddr) -> Self {
        Self { address, stream: None, input: Vec::with_capacity(READ_AT_ONCE), body: 0..0 }
    }

    /// Sends a request and reads the whole answer; its status.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        let mut stream = self.connection().await?;
        stream.write_all(request).await?;
        let head = self.read(&mut stream).await?;
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(head.status)
    }

    /// Opens the connection ahead of the first request.
    pub async fn connect(&mut self) -> Result<()> {
        self.stream = Some(self.connection().await?);
        Ok(())
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        self.input.get(self.body.clone()).unwrap_or_default()
    }

    /// The connection, or a new one where the server has given it up.
    async fn connection(&mut self) -> Result<TcpStream> {
        if let Some(stream) = self.stream.take() {
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(stream),
                Ok(0) | Err(_) => {}
                Ok(_) => return Err(Error::new(ErrorKind::InvalidData, "something came that nobody asked for")),
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(&mut self, stream: &mut TcpStream) -> Result<Head> {
        self.input.clear();
        let mut head = None;
        loop {
            self.input.reserve(READ_AT_ONCE);
            if stream.read_buf(&mut self.input).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if head.is_none() {
                head = parse(&self.input)?;
            }
            if let Some(head) = head.take_if(|head| self.is_whole(head)) {
                return self.settle(head);
            }
        }
    }

    fn is_whole(&self, head: &Head) -> bool {
        match head.body {
            Body::Bytes(length) => self.input.len() >= head.bytes + length,
            Body::Chunked => self.input.ends_with(b"0\r\n\r\n"),
        }
    }

    /// Marks where the body is, without the frames of its chunks.
    fn settle(&mut self, head: Head) -> Result<Head> {
        self.body = match head.body {
            Body::Bytes(length) => head.bytes..head.bytes + length,
            Body::Chunked => head.bytes..self.join_chunks(head.bytes)?,
        };
        Ok(head)
    }

    /// Moves the chunks from `start` on together; where they end.
    fn join_chunks(&mut self, start: usize) -> Result<usize> {
        let (mut from, mut to) = (start, start);
        loop {
            let rest = self.input.get(from..).unwrap_or_default();
            let parsed = httparse::parse_chunk_size(rest).map_err(|_| Error::from(ErrorKind::InvalidData))?;
            let httparse::Status::Complete((frame, size)) = parsed else { return Err(ErrorKind::InvalidData.into()) };
            let size = usize::try_from(size).map_err(Error::other)?;
            let chunk = from + frame..from + frame + size;
            if size == 0 {
                return Ok(to);
            }
            if chunk.end + 2 > self.input.len() {
                return Err(ErrorKind::InvalidData.into());
            }
            from = chunk.end + 2;
            self.input.copy_within(chunk, to);
            to += size;
        }
    }
}

/// The head of an answer, when all of it is there. One that sends the client away must say when to come back.
fn parse(input: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(bytes) = answer.parse(input).map_err(Error::other)? else { return Ok(None) };
    let status = answer.code.unwrap_or(0);
    let (mut body, mut closes, mut has_retry_after) = (Body::Bytes(0), false, false);
    for header in answer.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(Error::other)?;
            body = Body::Bytes(text.trim().parse().map_err(Error::other)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            has_retry_after = true;
        }
    }
    if matches!(status, 429 | 503) && !has_retry_after {
        return Err(Error::new(ErrorKind::InvalidData, "told to come back, but not when"));
    }
    Ok(Some(Head { status, bytes, body, closes }))
}
