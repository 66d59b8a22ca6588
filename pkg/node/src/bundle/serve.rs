//! Serves a bundle, read-only, to hosts that join: `/bundle.yaml`, and every file of it as `/files/<SHA-256>`.
//!
//! Plain HTTP, for the API server's proxy alone, which brings TLS, authentication and authorization. Clients check files
//! against the manifest, and the manifest against the cluster's or the join token's checksum.

use super::{Bundle, MANIFEST};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE};
use http::response::Builder;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

/// Longest wait for a request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Longest time in which a client takes no byte of a file.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// Connections that are served at the same time; further ones wait.
const MAX_SERVED: usize = 8;
/// Connections that are served or wait; further ones are closed.
const MAX_OPEN: usize = 64;
/// Pause after a failure to accept: the process is out of descriptors, and that passes.
const PAUSE: Duration = Duration::from_millis(200);
/// Size of the buffer of a connection, in bytes.
const CHUNK: usize = 64 << 10;

type Body = BoxBody<Bytes, io::Error>;

/// Files by path of the URL.
type Shelf = HashMap<String, PathBuf>;

/// Serves `bundle` to processes of this node. Never ends; drop it to stop.
pub async fn serve(listener: TcpListener, bundle: &Bundle) -> Infallible {
    serve_with_limit(listener, bundle, WRITE_LIMIT).await
}

async fn serve_with_limit(listener: TcpListener, bundle: &Bundle, write_limit: Duration) -> Infallible {
    let shelf = Arc::new(shelf(bundle));
    let open = Arc::new(Semaphore::new(MAX_OPEN));
    let served = Arc::new(Semaphore::new(MAX_SERVED));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "bundle: cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Dropping the stream closes it.
        let (true, Ok(place)) = (is_from_this_node(&stream), Arc::clone(&open).try_acquire_owned()) else { continue };
        let shelf = Arc::clone(&shelf);
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            let Ok(_turn) = served.acquire().await else { return };
            if let Err(error) = serve_connection(stream, shelf, write_limit).await {
                tracing::debug!(%error, "bundle: connection ended");
            }
            drop(place);
        });
    }
}

/// Whether the client is a process of the node itself, as the API server is: the address that it asks is its own, too.
///
/// A pod asks from its own address, which nothing translates on the way to an address of its node. It cannot send as the
/// node: the kernel drops packets from an own address that come from another interface. Other hosts do not reach the port.
fn is_from_this_node(stream: &TcpStream) -> bool {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(local)) => is_own_address(peer.ip(), local.ip()),
        _ => false,
    }
}

fn is_own_address(peer: IpAddr, local: IpAddr) -> bool {
    peer == local || peer.is_loopback()
}

/// Answers one request. Memory is bounded: the file is read in chunks, and one chunk is kept until the kernel takes it.
async fn serve_connection(stream: TcpStream, shelf: Arc<Shelf>, write_limit: Duration) -> Result<(), hyper::Error> {
    let milliseconds = u32::try_from(write_limit.as_millis()).unwrap_or(u32::MAX);
    // The kernel closes the connection when the client takes nothing for this long, also when it says that it lives.
    if let Err(error) = set_tcp_user_timeout(&stream, milliseconds) {
        tracing::debug!(%error, "bundle: no limit of time");
    }
    let service = service_fn(move |request| {
        let shelf = Arc::clone(&shelf);
        async move { answer(&shelf, &request).await }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        // A place is not held by a connection without a request.
        .keep_alive(false)
        .writev(false)
        .max_buf_size(CHUNK)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn shelf(bundle: &Bundle) -> Shelf {
    let files = bundle.manifest.files.iter();
    let mut shelf: Shelf = files.map(|file| (format!("/files/{}", file.sha256), bundle.dir.join(&file.path))).collect();
    shelf.insert(format!("/{MANIFEST}"), bundle.dir.join(MANIFEST));
    shelf
}

async fn answer<B>(shelf: &Shelf, request: &Request<B>) -> Result<Response<Body>, http::Error> {
    if request.method() != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some(path) = shelf.get(request.uri().path()) else { return empty(StatusCode::NOT_FOUND) };
    match open(path).await {
        Ok((file, size)) => content(request, file, size).await,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "bundle: cannot read");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let size = file.metadata().await?.len();
    Ok((file, size))
}

/// The file, or what is left of it. A name by checksum never means other bytes, so `If-Range` always holds.
async fn content<B>(request: &Request<B>, mut file: File, size: u64) -> Result<Response<Body>, http::Error> {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let head = Response::builder().header(ACCEPT_RANGES, "bytes").header(ETAG, format!("\"{name}\""));
    let Some(start) = start(request) else { return send(head.status(StatusCode::OK), file, size) };
    if start >= size || file.seek(SeekFrom::Start(start)).await.is_err() {
        let head = head.status(StatusCode::RANGE_NOT_SATISFIABLE);
        return head.header(CONTENT_RANGE, format!("bytes */{size}")).body(nothing());
    }
    let range = format!("bytes {start}-{}/{size}", size - 1);
    send(head.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range), file, size - start)
}

/// Where a `Range` with an open end begins; other ranges are answered with the whole file, as a server may.
fn start<B>(request: &Request<B>) -> Option<u64> {
    let range = request.headers().get(RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn send(head: Builder, file: File, length: u64) -> Result<Response<Body>, http::Error> {
    let chunks = ReaderStream::with_capacity(file.take(length), CHUNK).map_ok(Frame::data);
    head.header(CONTENT_LENGTH, length).body(BodyExt::boxed(StreamBody::new(chunks)))
}

fn empty(status: StatusCode) -> Result<Response<Body>, http::Error> {
    Response::builder().status(status).body(nothing())
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

#[cfg(test)]
mod tests;
