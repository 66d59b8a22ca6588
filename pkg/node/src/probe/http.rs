//! The least of HTTP/1.1 that a health endpoint needs: one connection, asked again until it answers 200.
//!
//! A client of full size would cost more memory than all the rest of the child.

use super::{ANSWER, Ask, RETRY};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

/// Health endpoints answer with a list of their checks at most.
const LONGEST: usize = 64 * 1024;

/// Comes back when the answer is 200; an error when it is not and no retry follows, when the connection ended, or when
/// it does not say where an answer ends.
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

/// Reads one answer whole.
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

/// How much of an answer is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// All of it, with this status.
    Whole(u16),
    /// Not all.
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
    // 200 is all that we want to know: where it ends does not matter.
    if status == 200 {
        return Ok(Parsed::Whole(status));
    }
    let length = headers.lines().filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: Option<usize> = length.next().and_then(|(_, value)| value.trim().parse().ok());
    // Chunks instead of a length: the connection is dropped and made anew.
    let length = length.ok_or_else(|| invalid_data("answer without a length"))?;
    let whole = answer.len() - head - 4 >= length;
    Ok(if whole { Parsed::Whole(status) } else { Parsed::Part })
}

fn invalid_data(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
