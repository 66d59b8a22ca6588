//! Discovery by a host that has only a token.

use crate::Outcome;
use crate::server::{Server, free_port};
use crate::tokens::{in_an_hour, ready};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::slice::from_ref;
use std::time::Duration;
use usernetes_cluster::discovery::{Discovered, DiscoveryError, Limits, TrustError, discover};
use usernetes_cluster::tokens::TokenInfo;
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint};

pub(crate) fn limits() -> Limits {
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
    let trust = |result: Result<Discovered, DiscoveryError>| match result {
        Err(DiscoveryError::Trust { source, .. }) => source,
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

pub(crate) async fn says_what_is_wrong_with_an_endpoint(_: &Server) -> Outcome {
    let token = BootstrapToken::generate();
    let limits = Limits { answer: Duration::from_secs(1), ..limits() };
    let ask = async |endpoint: Endpoint| match discover(&[endpoint], &token, &[], &limits).await {
        Err(error) => error,
        Ok(found) => panic!("no cluster there: {found:?}"),
    };
    let local = |port| Endpoint::new(Ipv4Addr::LOCALHOST.into(), port);

    let refused = ask(local(free_port())).await;
    assert!(matches!(refused, DiscoveryError::Refused { .. }), "{refused:?}");

    // Accepts by its backlog and sends nothing, as behind a firewall that drops packets.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let timed_out = ask(local(silent.local_addr()?.port())).await;
    assert!(matches!(timed_out, DiscoveryError::TimedOut { .. }), "{timed_out:?}");

    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = plain.local_addr()?.port();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept()?;
        let _ = stream.read(&mut [0; 1024])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let not_kubernetes = ask(local(port)).await;
    assert!(matches!(not_kubernetes, DiscoveryError::NotKubernetes { .. }), "{not_kubernetes:?}");
    answer.join().map_err(|_| "the answering thread")??;

    let nowhere = ask(Endpoint { host: "no-such-host.invalid".to_owned(), port: 6443 }).await;
    assert!(matches!(nowhere, DiscoveryError::Unreachable { .. } | DiscoveryError::TimedOut { .. }), "{nowhere:?}");
    for error in [refused, timed_out, not_kubernetes, nowhere] {
        assert!(error.hint().is_some(), "{error}");
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
