//! Serves a bundle, read-only, to hosts that join: `/bundle.yaml`, and every file of it as `/files/<SHA-256>`.
//!
//! Plain HTTP: it is meant to be reached through the API server alone, which brings TLS, authentication and
//! authorization. Whoever takes a file checks it against the manifest, and the manifest against what the join token says.

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
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

/// Who sends no request for so long is disconnected.
const SILENCE: Duration = Duration::from_secs(30);
/// Pause after a failure to accept: the process is out of descriptors, and that passes.
const PAUSE: Duration = Duration::from_millis(200);
/// What is read at once.
const CHUNK: usize = 64 << 10;

type Body = BoxBody<Bytes, io::Error>;

/// Files by what is asked for.
type Shelf = HashMap<String, PathBuf>;

/// Serves `bundle`. Never ends; drop it to stop.
pub async fn serve(listener: TcpListener, bundle: &Bundle) -> Infallible {
    let shelf = Arc::new(shelf(bundle));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "bundle: cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let shelf = Arc::clone(&shelf);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shelf = Arc::clone(&shelf);
                async move { answer(&shelf, &request).await }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(SILENCE)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "bundle: connection ended");
            }
        });
    }
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
