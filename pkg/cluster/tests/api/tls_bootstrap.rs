//! A kubelet's certificate, asked for with nothing but a bootstrap token.

use crate::Outcome;
use crate::server::{LIMIT, Server};
use crate::tokens::{in_an_hour, ready};
use std::time::Duration;
use usernetes_cluster::tokens::TokenInfo;
use usernetes_cluster::{Cluster, Error};
use usernetes_pki::kubeconfig::{User, bootstrap};
use usernetes_pki::{BootstrapToken, Kubeconfig, KubeletRequest};

pub(crate) async fn without_a_signer(server: &Server) -> Outcome {
    let joiner = joiner(server).await?;
    let request = KubeletRequest::new("joining")?;
    let late = joiner.request_kubelet_certificate(&request.pem, Duration::from_millis(300)).await;
    let late = late.expect_err("no controller manager").to_string();
    assert!(late.contains("it is not approved; check whether kube-controller-manager runs"), "{late}");
    Ok(())
}

pub(crate) async fn with_a_bootstrap_token(server: &Server) -> Outcome {
    server.controller_manager();
    let joiner = joiner(server).await?;
    let wrong = joiner.request_kubelet_certificate("nonsense", LIMIT).await.expect_err("no request").to_string();
    assert!(wrong.starts_with("cannot create CertificateSigningRequest"), "{wrong}");

    let request = KubeletRequest::new("joining")?;
    let certificate = joiner.request_kubelet_certificate(&request.pem, LIMIT).await?;
    let (url, ca) = (server.endpoint.url(), server.ca_pem());
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let user = User {
        client_certificate_data: Some(encode(&certificate)),
        client_key_data: Some(usernetes_pki::Secret::new(encode(request.key_pem.expose()))),
        ..User::default()
    };
    let kubelet = connect(server, &Kubeconfig::new("kubernetes", &url, &ca, "system:node:joining", user)).await?;
    assert!(kubelet.node("joining").await?.is_none(), "known to the server, and not registered");
    Ok(())
}

/// A client with a bootstrap token only.
async fn joiner(server: &Server) -> Result<Cluster, Error> {
    let token = TokenInfo::new(BootstrapToken::generate(), Some(in_an_hour()));
    ready(server).await?.create_token(&token).await?;
    connect(server, &bootstrap("kubernetes", &server.endpoint.url(), &server.ca_pem(), &token.token)).await
}

async fn connect(server: &Server, kubeconfig: &Kubeconfig) -> Result<Cluster, Error> {
    let path = server.path("joining.conf");
    std::fs::write(&path, kubeconfig.to_yaml()).expect("written");
    Cluster::connect(&path).await
}
