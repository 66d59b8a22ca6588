//! The payload of the tests: servers on request.

use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use usernetes_rootless::{ChildContext, Forward, PayloadRequest};

pub(crate) async fn run(mut context: ChildContext) -> ExitCode {
    if context.spec.payload["fail"] == true {
        return ExitCode::from(7);
    }
    context.status.set(json!({ "phase": "up", "sysctls": outcomes(&context) }));
    context.ready.notify().await;
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return ExitCode::SUCCESS,
            Some(request) = context.requests.recv() => answer(&context, request).await,
        }
    }
}

fn outcomes(context: &ChildContext) -> Vec<Value> {
    context.sysctls.iter().map(|s| json!([s.name, s.failure])).collect()
}

async fn answer(context: &ChildContext, request: PayloadRequest) {
    let value = &request.value;
    let result = if let Some(status) = value.get("status") {
        context.status.set(status.clone());
        Ok(Value::Null)
    } else if let Ok(wanted) = serde_json::from_value::<BTreeSet<Forward>>(value["reconcile"].clone()) {
        let failures = context.ports.reconcile("test", &wanted).await;
        Ok(json!(failures.iter().map(ToString::to_string).collect::<Vec<_>>()))
    } else if let Ok(peers) = serde_json::from_value(value["relayPeers"].clone()) {
        context.ports.set_relay_peers(peers);
        Ok(Value::Null)
    } else if value["wait"] == true {
        let mut reply = request.reply;
        reply.closed().await;
        return context.status.set(json!({ "phase": "left alone" }));
    } else if let Some(words) = value["spawn"].as_array() {
        spawn(context, words).await
    } else if let Some(kind) = value["serve"].as_str() {
        serve(kind, &value["address"], &value["port"]).await.map_err(|e| e.to_string())
    } else {
        Err(format!("no such request: {value}"))
    };
    let _ = request.reply.send(result);
}

async fn spawn(context: &ChildContext, words: &[Value]) -> Result<Value, String> {
    let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
    let mut command = Command::new(words[0]);
    let process = context.reaper.spawn(command.args(&words[1..])).map_err(|e| e.to_string())?;
    Ok(json!(process.wait().await.to_string()))
}

async fn serve(kind: &str, address: &Value, port: &Value) -> std::io::Result<Value> {
    let port = port.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
    let address: IpAddr = serde_json::from_value(address.clone())?;
    if kind.starts_with("udp") {
        let socket = UdpSocket::bind((address, port)).await?;
        let port = socket.local_addr()?.port();
        tokio::spawn(echo_datagrams(socket, kind == "udp-peer-address"));
        return Ok(json!(port));
    }
    let listener = TcpListener::bind((address, port)).await?;
    let port = listener.local_addr()?.port();
    let reset = kind == "reset";
    let report_peer = kind == "peer-address";
    let deaf = kind == "deaf";
    tokio::spawn(async move {
        let mut unread = Vec::new();
        while let Ok((mut stream, client)) = listener.accept().await {
            if deaf {
                unread.push(stream);
            } else if reset {
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
            } else if report_peer {
                let _ = stream.write_all(client.ip().to_string().as_bytes()).await;
            } else {
                tokio::spawn(echo(stream));
            }
        }
    });
    Ok(json!(port))
}

/// Echoes, and writes the number of bytes after the client's end: the directions end one after the other.
async fn echo(mut stream: TcpStream) {
    let (mut buffer, mut total) = (vec![0; 65536], 0);
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        total += length;
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = stream.write_all(format!("END {total}").as_bytes()).await;
}

/// Sends each datagram back, or the address of its sender.
async fn echo_datagrams(socket: UdpSocket, report_peer: bool) {
    let mut buffer = vec![0; 65536];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        let answer = if report_peer { client.ip().to_string().into_bytes() } else { buffer[..length].to_vec() };
        let _ = socket.send_to(&answer, client).await;
    }
}
