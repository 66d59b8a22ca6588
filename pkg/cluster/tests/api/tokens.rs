//! Bootstrap tokens, and what kubeadm thinks of them.

use crate::Outcome;
use crate::server::Server;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use usernetes_cluster::tokens::TokenInfo;
use usernetes_cluster::{Cluster, Error};
use usernetes_pki::BootstrapToken;
use usernetes_pki::discovery::{CLUSTER_INFO, signature_is_valid, signature_key};

pub(crate) fn in_an_hour() -> Timestamp {
    // Secrets keep whole seconds.
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now");
    now + SignedDuration::from_hours(1)
}

pub(crate) async fn ready(server: &Server) -> Result<Cluster, Error> {
    let cluster = server.admin().await;
    cluster.apply_bootstrap_rbac().await?;
    cluster.upload_cluster_info(&server.endpoint.url(), &server.ca_pem()).await?;
    Ok(cluster)
}

async fn signature(cluster: &Cluster, token: &BootstrapToken) -> Option<String> {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), "kube-public");
    let data = api.get(CLUSTER_INFO).await.expect("cluster-info").data.unwrap_or_default();
    let signature = data.get(&signature_key(token.id()))?;
    assert!(signature_is_valid(signature, &data["kubeconfig"], token));
    Some(signature.clone())
}

pub(crate) async fn life_of_a_token(server: &Server) -> Outcome {
    let cluster = ready(server).await?;
    let mut info = TokenInfo::new(BootstrapToken::generate(), Some(in_an_hour()));
    cluster.create_token(&info).await?;
    assert!(signature(&cluster, &info.token).await.is_some(), "signed at once, and no controller manager runs");

    "changed".clone_into(&mut info.description);
    info.expires = None;
    cluster.create_token(&info).await?;
    assert!(cluster.list_tokens().await?.contains(&info), "the same token again is brought in line");

    let other = BootstrapToken::new(info.token.id(), "0123456789abcdef")?;
    let taken = cluster.create_token(&TokenInfo::new(other, None)).await;
    assert!(matches!(taken, Err(Error::TokenExists { ref id }) if id == info.token.id()), "{taken:?}");

    let quiet =
        TokenInfo { usages: vec!["authentication".to_owned()], ..TokenInfo::new(BootstrapToken::generate(), None) };
    cluster.create_token(&quiet).await?;
    assert_eq!(signature(&cluster, &quiet.token).await, None);

    for token in [&info.token, &quiet.token] {
        cluster.delete_token(token.id()).await?;
        let again = cluster.delete_token(token.id()).await;
        assert!(matches!(again, Err(Error::NoSuchToken { .. })), "{again:?}");
        assert_eq!(signature(&cluster, token).await, None);
    }
    Ok(())
}

pub(crate) async fn kubeadm_sees_ours(server: &Server) -> Outcome {
    let cluster = ready(server).await?;
    let info = TokenInfo::new(BootstrapToken::generate(), Some(in_an_hour()));
    cluster.create_token(&info).await?;
    let kubeconfig = format!("--kubeconfig={}", server.path("admin.conf").display());
    let list = server.run("kubeadm", &["token", "list", &kubeconfig]);
    let line = list.lines().find(|line| line.contains(info.token.id())).ok_or("not in the list of kubeadm")?;
    assert!(
        line.contains("authentication,signing") && line.contains("system:bootstrappers:kubeadm:default-node-token"),
        "{line}"
    );
    server.run("kubeadm", &["token", "delete", info.token.id(), &kubeconfig]);
    assert!(!cluster.list_tokens().await?.contains(&info));
    // Its signature goes with the next writing of cluster-info by the controller manager.
    Ok(())
}
