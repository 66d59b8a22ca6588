//! The child's side of the control socket.

use super::node::{Node, PayloadRequest};
use super::{Info, NetworkInfo, Request, Response};
use crate::network;
use crate::ports::{self, PortError};
use crate::protocol::VERSION;
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

/// The longest request.
const LINE: u64 = 1024 * 1024;

/// Serves clients for as long as the child lives.
pub(crate) async fn serve(socket: OwnedFd, node: Arc<Node>) {
    let listener = match UnixListener::from_std(socket.into()) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "there is no control socket"),
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(talk(client, Arc::clone(&node)))),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client of the control socket");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(client: UnixStream, node: Arc<Node>) {
    // The folder and the socket's mode keep others away; this is a second lock. We are uid 0 here.
    if !client.peer_cred().is_ok_and(|peer| peer.uid() == 0) {
        return;
    }
    let (reader, mut writer) = client.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE).read_until(b'\n', &mut line).await {
            Ok(1..) if line.ends_with(b"\n") => {}
            _ => return,
        }
        let sent = match serde_json::from_slice(&line) {
            Ok(Request::Watch) => return watch(reader, writer, &node).await,
            // It may take until the client loses its patience; the payload then need not go on.
            Ok(Request::Payload(value)) => tokio::select! {
                answer = ask_payload(value, &node) => write(&mut writer, &answer).await,
                () = gone(&mut reader) => return,
            },
            Ok(request) => write(&mut writer, &answer(request, &node).await).await,
            Err(error) => write(&mut writer, &failure(&error, None)).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn answer(request: Request, node: &Node) -> Response {
    match request {
        Request::Info => ok(&info(node)),
        Request::Ports => ok(&node.ports.list()),
        Request::AddPort(forward) => port(node.ports.add(ports::CONTROL, forward).await),
        Request::RemovePort(spec) => port(node.ports.remove(ports::CONTROL, &spec).await),
        Request::Shutdown => {
            node.shutdown.cancel();
            Response::Ok(Value::Null)
        }
        // Taken by the caller, for both can be long.
        Request::Payload(_) | Request::Watch => Response::Ok(Value::Null),
    }
}

fn info(node: &Node) -> Info {
    let (spec, helper) = (&node.spec, node.parent.helper());
    Info {
        protocol: VERSION,
        child_pid: node.host_pid,
        host_name: spec.host_name.clone(),
        addresses: spec.host_addresses.clone(),
        tap_address: network::tap_addresses(&spec.network).node,
        cgroup: spec.cgroup,
        network: NetworkInfo { driver: spec.network.driver, pid: helper.pid, restarts: helper.restarts },
        started: node.started.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        ready: *node.ready.borrow(),
        status: node.status.borrow().clone(),
    }
}

async fn ask_payload(value: Value, node: &Node) -> Response {
    let (reply, answer) = oneshot::channel();
    if node.requests.send(PayloadRequest { value, reply }).await.is_err() {
        return Response::Error { message: "the payload takes no requests".to_owned(), hint: None };
    }
    match answer.await {
        Ok(Ok(value)) => Response::Ok(value),
        Ok(Err(message)) => Response::Error { message, hint: None },
        Err(_) => Response::Error { message: "the payload gave no answer".to_owned(), hint: None },
    }
}

/// Until the client has closed its end. What it says meanwhile is left for later.
async fn gone(reader: &mut BufReader<OwnedReadHalf>) {
    if reader.fill_buf().await.is_ok_and(|more| !more.is_empty()) {
        std::future::pending::<()>().await;
    }
}

/// Every status from now on, until the client goes.
async fn watch(mut reader: BufReader<OwnedReadHalf>, mut writer: OwnedWriteHalf, node: &Node) {
    let mut status = node.status.subscribe();
    let mut nothing = [0];
    loop {
        let value = status.borrow_and_update().clone();
        if write(&mut writer, &Response::Ok(value)).await.is_err() {
            return;
        }
        tokio::select! {
            Ok(()) = status.changed() => {}
            // The client has closed, or says something that has no place here.
            _ = reader.read(&mut nothing) => return,
        }
    }
}

async fn write(writer: &mut OwnedWriteHalf, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

fn ok(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => Response::Ok(value),
        Err(error) => failure(&error, None),
    }
}

fn port(result: Result<(), PortError>) -> Response {
    match result {
        Ok(()) => Response::Ok(Value::Null),
        Err(error) => failure(&error, error.hint()),
    }
}

fn failure(error: &dyn std::error::Error, hint: Option<String>) -> Response {
    let message = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Response::Error { message, hint }
}
