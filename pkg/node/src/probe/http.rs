//! A minimal HTTP/1.1 client for health endpoints: requests on one connection until the status is 200.
//!
//! A full HTTP client would need more memory than the rest of the child.

use super::{ANSWER, Ask, RETRY};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

/// Limit of a response in bytes. Health endpoints send at most a list of their checks.
const LONGEST: usize = 64 * 1024;

/// Requests `path` until the status is 200, or once.
///
/// # Errors
/// Another status without a retry, the end of the connection, or a response without a length.
pub(super) async fn wait_for_ok(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: SocketAddr,
    path: &str,
    ask: Ask,
) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: usernetes-rs\r\n\r\n");
    loop {
        stream.write_all(request.as_bytes()).await?;
        match (timeout(ANSWER, read_status(&mut stream)).await??, ask) {
            (200, _) => return Ok(()),
            (status, Ask::Once) => return Err(io::Error::other(format!("answer {status}"))),
            (_, Ask::UntilGood) => sleep(RETRY).await,
        }
    }
}

/// Reads one response and returns its status.
async fn read_status(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<u16> {
    let mut answer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse_response(&answer)? {
            Parsed::Whole(status) => return Ok(status),
            Parsed::Part if answer.len() > LONGEST => return Err(invalid_data("answer is too long")),
            Parsed::Part => {}
        }
    }
}

/// Result of parsing a prefix of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The response is complete and has this status.
    Whole(u16),
    /// More bytes are needed.
    Part,
}

pub(super) fn parse_response(answer: &[u8]) -> io::Result<Parsed> {
    let Some(head) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(Parsed::Part) };
    let text = std::str::from_utf8(&answer[..head]).map_err(|_| invalid_data("header is not text"))?;
    let (first, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    let mut words = first.split(' ');
    let version = words.next().is_some_and(|v| v.starts_with("HTTP/1."));
    let status = words.next().and_then(|s| s.parse().ok()).filter(|_| version);
    let status: u16 = status.ok_or_else(|| invalid_data("not HTTP"))?;
    // The body of a 200 is not read.
    if status == 200 {
        return Ok(Parsed::Whole(status));
    }
    let length = headers.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: Option<usize> = length.next().and_then(|(_, value)| value.trim().parse().ok());
    // A chunked response: the connection is closed, and the caller makes a new one.
    let length = length.ok_or_else(|| invalid_data("answer without a length"))?;
    let whole = answer.len() - head - 4 >= length;
    Ok(if whole { Parsed::Whole(status) } else { Parsed::Part })
}

fn invalid_data(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
