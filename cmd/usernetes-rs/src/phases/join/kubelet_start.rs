//! `kubelet-start`: the supervised node, without a control plane, and meanwhile its kubelet's certificate.

use super::JoinData;
use crate::errors::Hinted;
use crate::phases::{common, runtime};
use crate::session::Session;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::thread;
use std::time::Duration;
use usernetes_api::constants::{KUBELET_DIR, KUBERNETES_DIR};
use usernetes_cluster::Cluster;
use usernetes_host::fs::{self, Mode};
use usernetes_pki::kubeconfig::User;
use usernetes_pki::{Kubeconfig, KubeletRequest};

/// Starts the node.
pub(super) struct KubeletStart;

impl Phase<JoinData> for KubeletStart {
    fn name(&self) -> &'static str {
        "kubelet-start"
    }

    fn short(&self) -> &'static str {
        "Start the container runtime and the kubelet in their namespaces, with a certificate from the cluster"
    }

    /// The kubelet would ask for its certificate, too, but only after it has started; namespaces and the runtime take
    /// longer than the signer.
    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        if common::has_joined(&data.node.session) {
            return common::start(&mut data.node);
        }
        let (session, name) = (data.node.session.clone(), data.node.config.node_name().to_owned());
        let limit = data.node.config.timeouts().tls_bootstrap.0;
        let node = &mut data.node;
        thread::scope(|scope| {
            let credentials = scope.spawn(|| bootstrap(&session, &name, limit));
            let started = common::start(node);
            credentials.join().expect("no panic")?;
            started
        })
    }
}

/// The TLS bootstrap. The link comes last, for it says that the node has joined.
fn bootstrap(session: &Session, node_name: &str, limit: Duration) -> Result<()> {
    let folder = session.paths.node(KUBERNETES_DIR);
    let path = folder.join("bootstrap-kubelet.conf");
    let text = fs::read(&path)?;
    let request = KubeletRequest::new(node_name)?;
    let certificate = runtime()?.block_on(async {
        let cluster = Cluster::connect(&path).await?;
        cluster.request_kubelet_certificate(&request.pem, limit).await
    });
    let certificate = certificate.map_err(|error| {
        let cure =
            "usernetes-rs status and usernetes-rs logs kube-controller-manager on the control-plane host show why";
        Hinted::new("the cluster gave this node no certificate", cure).because(error)
    })?;
    // As the kubelet does it, which renews the certificate under another date.
    let date = Timestamp::now().strftime("%Y-%m-%d-%H-%M-%S");
    let dated = format!("{KUBELET_DIR}/pki/kubelet-client-{date}.pem");
    fs::write(session.paths.node(&dated), format!("{certificate}{}", request.key_pem.expose()), Mode::Secret)?;
    fs::write(folder.join("kubelet.conf"), kubelet_conf(&text, node_name)?.to_yaml(), Mode::Secret)?;
    Ok(fs::symlink(dated, session.paths.node(common::kubelet_certificate()))?)
}

/// The bootstrap kubeconfig with another user.
fn kubelet_conf(bootstrap: &str, node_name: &str) -> Result<Kubeconfig> {
    let bootstrap = Kubeconfig::parse(bootstrap)?;
    let cluster = bootstrap.cluster()?;
    let ca = cluster.ca_pem()?.context("the bootstrap kubeconfig has no CA inside")?;
    let current = common::kubelet_certificate().display().to_string();
    let user = User { client_certificate: Some(current.clone()), client_key: Some(current), ..User::default() };
    Ok(Kubeconfig::new("kubernetes", &cluster.server, &ca, &format!("system:node:{node_name}"), user))
}
