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
use usernetes_api::join_causes;

/// Longest request in bytes.
const LINE: u64 = 1024 * 1024;

/// Serves clients for as long as the child lives.
pub(crate) async fn serve(socket: OwnedFd, node: Arc<Node>) {
    let listener = match UnixListener::from_std(socket.into()) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve the control socket"),
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(serve_client(client, Arc::clone(&node)))),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client of the control socket");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_client(client: UnixStream, node: Arc<Node>) {
    // The modes of directory and socket keep other users away; this is a second check. The user is uid 0 inside.
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
            Ok(Request::Watch) => return stream_status(reader, writer, &node).await,
            // The payload may take long; it is not waited for after the client has closed.
            Ok(Request::Payload(value)) => tokio::select! {
                answer = ask_payload(value, &node) => write_response(&mut writer, &answer).await,
                () = wait_closed(&mut reader) => return,
            },
            Ok(request) => write_response(&mut writer, &answer_request(request, &node).await).await,
            Err(error) => write_response(&mut writer, &error_response(&error, None)).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn answer_request(request: Request, node: &Node) -> Response {
    match request {
        Request::Info => ok_response(&build_info(node)),
        Request::Ports => ok_response(&node.ports.list()),
        Request::AddPort(forward) => port_response(node.ports.add(ports::CONTROL, forward).await),
        Request::RemovePort(spec) => port_response(node.ports.remove(ports::CONTROL, &spec).await),
        Request::Shutdown => {
            node.shutdown.cancel();
            Response::Ok(Value::Null)
        }
        // Handled by the caller, since both may take long.
        Request::Payload(_) | Request::Watch => Response::Ok(Value::Null),
    }
}

fn build_info(node: &Node) -> Info {
    let spec = &node.spec;
    let helper = node.parent.helper_state();
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
        return Response::Error { message: "the payload accepts no requests".to_owned(), hint: None };
    }
    match answer.await {
        Ok(Ok(value)) => Response::Ok(value),
        Ok(Err(message)) => Response::Error { message, hint: None },
        Err(_) => Response::Error { message: "the payload did not answer".to_owned(), hint: None },
    }
}

/// Waits until the client has closed its end. Requests that it sends meanwhile stay in the buffer.
async fn wait_closed(reader: &mut BufReader<OwnedReadHalf>) {
    if reader.fill_buf().await.is_ok_and(|more| !more.is_empty()) {
        std::future::pending::<()>().await;
    }
}

/// Sends every status from now on, until the client closes.
async fn stream_status(mut reader: BufReader<OwnedReadHalf>, mut writer: OwnedWriteHalf, node: &Node) {
    let mut status = node.status.subscribe();
    let mut nothing = [0];
    loop {
        let value = status.borrow_and_update().clone();
        if write_response(&mut writer, &Response::Ok(value)).await.is_err() {
            return;
        }
        tokio::select! {
            Ok(()) = status.changed() => {}
            // The client has closed, or has sent an unexpected line.
            _ = reader.read(&mut nothing) => return,
        }
    }
}

async fn write_response(writer: &mut OwnedWriteHalf, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

fn ok_response(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => Response::Ok(value),
        Err(error) => error_response(&error, None),
    }
}

fn port_response(result: Result<(), PortError>) -> Response {
    match result {
        Ok(()) => Response::Ok(Value::Null),
        Err(error) => error_response(&error, error.hint()),
    }
}

fn error_response(error: &dyn std::error::Error, hint: Option<String>) -> Response {
    Response::Error { message: join_causes(error), hint }
}
