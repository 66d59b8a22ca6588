//! What a host learns that has nothing but a token.

use crate::Outcome;
use crate::server::{Server, free_port};
use crate::tokens::{in_an_hour, ready};
use serde_json::json;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::slice::from_ref;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use usernetes_cluster::discovery::{DiscoverError, Discovered, Limits, TrustError, discover};
use usernetes_cluster::tokens::TokenInfo;
use usernetes_pki::discovery::{KUBECONFIG_KEY, render, sign, signature_key};
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint};

fn limits() -> Limits {
    Limits { answer: Duration::from_secs(5), signature: Duration::ZERO }
}

async fn token(server: &Server) -> Result<BootstrapToken, usernetes_cluster::Error> {
    let info = TokenInfo::new(BootstrapToken::generate(), Some(in_an_hour()));
    ready(server).await?.create_token(&info).await?;
    Ok(info.token)
}

pub(crate) async fn finds_the_cluster(server: &Server) -> Outcome {
    let token = token(server).await?;
    let pin = CaCertHash::of_pem(&server.ca_pem())?;
    let found = discover(from_ref(&server.endpoint), &token, &[pin], &limits()).await?;
    assert_eq!(found.info.server, server.endpoint.url());
    assert_eq!(found.info.ca_pem.trim(), server.ca_pem().trim());
    assert!(found.clock_ahead.is_some_and(|by| by.as_secs().abs() <= 1), "{:?}", found.clock_ahead);
    // A dead endpoint beside a good one, and another pin beside the right one.
    let dead = Endpoint::new(Ipv4Addr::LOCALHOST.into(), free_port());
    discover(&[dead, server.endpoint.clone()], &token, &[CaCertHash([7; 32]), pin], &limits()).await?;
    Ok(())
}

pub(crate) async fn mistrusts(server: &Server) -> Outcome {
    let token = token(server).await?;
    let pin = CaCertHash::of_pem(&server.ca_pem())?;
    let endpoints = [server.endpoint.clone()];
    let trust = |result: Result<Discovered, DiscoverError>| match result {
        Err(DiscoverError::Trust { source, .. }) => source,
        other => panic!("not a matter of trust: {other:?}"),
    };
    let wrong_pin = trust(discover(&endpoints, &token, &[CaCertHash([7; 32])], &limits()).await);
    assert!(matches!(wrong_pin, TrustError::Pin { .. }), "{wrong_pin:?}");
    let unknown =
        trust(discover(&endpoints, &BootstrapToken::new("zzzzzz", "0123456789abcdef")?, &[pin], &limits()).await);
    assert!(matches!(unknown, TrustError::NotSigned { .. }), "{unknown:?}");
    let forged = BootstrapToken::new(token.id(), "0123456789abcdef")?;
    let forged = trust(discover(&endpoints, &forged, &[pin], &limits()).await);
    assert!(matches!(forged, TrustError::Signature { .. }), "{forged:?}");

    let expired = TokenInfo::new(BootstrapToken::generate(), Some("2026-01-01T00:00:00Z".parse()?));
    server.admin().await.create_token(&expired).await?;
    let old = trust(discover(&endpoints, &expired.token, &[pin], &limits()).await);
    assert!(matches!(old, TrustError::NotSigned { .. }), "{old:?}");

    server.admin().await.delete_token(token.id()).await?;
    let deleted = trust(discover(&endpoints, &token, &[pin], &limits()).await);
    assert!(matches!(deleted, TrustError::NotSigned { .. }), "{deleted:?}");
    Ok(())
}

/// Somebody in between with a CA of his own, whether he knows the token's secret or not: he is asked for what everybody may
/// know, once, and learns nothing.
pub(crate) async fn tells_a_man_in_the_middle_nothing(_: &Server) -> Outcome {
    let token = BootstrapToken::generate();
    for known in [BootstrapToken::new(token.id(), "0123456789abcdef")?, token.clone()] {
        let (man, heard) = man_in_the_middle(&known)?;
        let refused = match discover(&[man], &token, &[CaCertHash([7; 32])], &limits()).await {
            Err(DiscoverError::Trust { source, .. }) => source,
            other => panic!("not a matter of trust: {other:?}"),
        };
        let knows = known == token;
        let by = if knows {
            matches!(refused, TrustError::Pin { .. })
        } else {
            matches!(refused, TrustError::Signature { .. })
        };
        assert!(by, "{refused:?}");
        let heard = heard.lock().expect("not poisoned").clone();
        let [request] = &heard[..] else { panic!("asked more than once: {heard:?}") };
        let asked = "GET /api/v1/namespaces/kube-public/configmaps/cluster-info HTTP/1.1\r\n";
        assert!(request.starts_with(asked) && request.ends_with("\r\n\r\n"), "{request}");
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
        assert!(!request.contains(token.id()) && !request.contains(token.secret().expose()), "{request}");
    }
    Ok(())
}

/// A server of his, and every request to it.
fn man_in_the_middle(token: &BootstrapToken) -> Result<(Endpoint, Arc<Mutex<Vec<String>>>), Box<dyn Error>> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let endpoint = Endpoint::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr()?.port());
    let kubeconfig = render(&endpoint.url(), &own.cert.pem());
    let data = json!({ KUBECONFIG_KEY: kubeconfig, signature_key(token.id()): sign(&kubeconfig, token) });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": data }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{map}", map.len());
    let key = own.signing_key.serialize_der().try_into()?;
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![own.cert.der().clone()], key)?);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone())?, stream?);
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                request.extend(byte);
            }
            ears.lock().expect("not poisoned").push(String::from_utf8_lossy(&request).into_owned());
            stream.write_all(answer.as_bytes())?;
            stream.flush()?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    Ok((endpoint, heard))
}

pub(crate) async fn says_what_is_wrong_with_an_endpoint(_: &Server) -> Outcome {
    let token = BootstrapToken::generate();
    let limits = Limits { answer: Duration::from_secs(1), ..limits() };
    let ask = async |endpoint: Endpoint| match discover(&[endpoint], &token, &[], &limits).await {
        Err(error) => error,
        Ok(found) => panic!("no cluster there: {found:?}"),
    };
    let local = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);

    let refused = ask(local(free_port())).await;
    assert!(matches!(refused, DiscoverError::Refused { .. }), "{refused:?}");

    // Accepts by its backlog and says nothing: what a firewall that eats packets looks like.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let timed_out = ask(local(silent.local_addr()?.port())).await;
    assert!(matches!(timed_out, DiscoverError::TimedOut { .. }), "{timed_out:?}");

    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = plain.local_addr()?.port();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept()?;
        let _ = stream.read(&mut [0; 1024])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let not_kubernetes = ask(local(port)).await;
    assert!(matches!(not_kubernetes, DiscoverError::NotKubernetes { .. }), "{not_kubernetes:?}");
    answer.join().map_err(|_| "the answering thread")??;

    let nowhere = ask(Endpoint { host: "no-such-host.invalid".to_owned(), port: 6443 }).await;
    assert!(matches!(nowhere, DiscoverError::Unreachable { .. } | DiscoverError::TimedOut { .. }), "{nowhere:?}");
    for error in [refused, timed_out, not_kubernetes, nowhere] {
        assert!(!error.hint().is_empty(), "{error}");
    }
    Ok(())
}

/// A cluster of kubeadm: its token is signed some time after it was made, by the controller manager.
pub(crate) async fn waits_for_the_signer(server: &Server) -> Outcome {
    server.controller_manager();
    ready(server).await?;
    let token = BootstrapToken::generate();
    let limits = Limits { signature: Duration::from_secs(30), ..limits() };
    let kubeconfig = format!("--kubeconfig={}", server.path("admin.conf").display());
    let create = server.run("kubeadm", &["token", "create", token.to_secret().expose(), &kubeconfig]);
    assert!(create.contains(token.id()), "{create}");
    discover(from_ref(&server.endpoint), &token, &[CaCertHash::of_pem(&server.ca_pem())?], &limits).await?;
    Ok(())
}
