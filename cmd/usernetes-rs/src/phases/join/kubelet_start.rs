//! `kubelet-start`: the supervised node without a control plane, and meanwhile its kubelet's certificate.

use super::JoinData;
use crate::errors::Hinted;
use crate::phases::node_start::start;
use crate::session::{KUBELET_CONF, Session, block_on};
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::thread;
use std::time::Duration;
use usernetes_api::Paths;
use usernetes_api::constants::KUBELET_DIR;
use usernetes_cluster::Cluster;
use usernetes_host::fs::{self, Mode};
use usernetes_pki::kubeconfig::User;
use usernetes_pki::{Kubeconfig, KubeletRequest};

pub(super) const PHASE: Phase<JoinData> =
    Phase::new("kubelet-start", "Start the runtime and the kubelet, with a certificate of the cluster", run)
        .starting_node();

/// The kubelet would request its certificate, too, but only after it has started; namespaces and the runtime take longer
/// than the signer.
fn run(data: &mut JoinData, _: &[&'static str]) -> Result<String> {
    if data.node.session.paths().has_joined() {
        return start(&mut data.node);
    }
    let (session, name) = (data.node.session.clone(), data.node.config.node_name().to_owned());
    let limit = data.node.config.timeouts().tls_bootstrap.0;
    thread::scope(|scope| {
        let credentials = scope.spawn(|| bootstrap_kubelet(&session, &name, limit));
        let started = start(&mut data.node);
        credentials.join().expect("no panic")?;
        started
    })
}

/// The TLS bootstrap. The link to the certificate comes last: with it the node has joined.
fn bootstrap_kubelet(session: &Session, node_name: &str, limit: Duration) -> Result<()> {
    let path = session.kubeconfig("bootstrap-kubelet.conf");
    let text = fs::read(&path)?;
    let request = KubeletRequest::new(node_name)?;
    let certificate = block_on(async {
        let cluster = Cluster::connect(&path).await?;
        cluster.request_kubelet_certificate(&request.pem, limit).await
    })?;
    let certificate = certificate.map_err(|error| {
        let hint =
            "usernetes-rs status and usernetes-rs logs kube-controller-manager on the control-plane host show why";
        Hinted::new("the cluster issued no certificate for this node", hint).caused_by(error)
    })?;
    // Named as the kubelet does, which renews the certificate under another date.
    let date = Timestamp::now().strftime("%Y-%m-%d-%H-%M-%S");
    let dated = format!("{KUBELET_DIR}/pki/kubelet-client-{date}.pem");
    let paths = session.paths();
    fs::write(paths.node(&dated), format!("{certificate}{}", request.key_pem.expose()), Mode::Secret)?;
    let kubeconfig = build_kubelet_conf(&text, node_name)?;
    fs::write(session.kubeconfig(KUBELET_CONF), kubeconfig.to_yaml(), Mode::Secret)?;
    Ok(fs::symlink(dated, paths.node(Paths::kubelet_certificate()))?)
}

/// The bootstrap kubeconfig with the node's user.
fn build_kubelet_conf(bootstrap: &str, node_name: &str) -> Result<Kubeconfig> {
    let bootstrap = Kubeconfig::parse(bootstrap)?;
    let cluster = bootstrap.cluster()?;
    let ca = cluster.ca_pem()?.context("the bootstrap kubeconfig has no CA inside")?;
    let current = Paths::kubelet_certificate().display().to_string();
    let user = User { client_certificate: Some(current.clone()), client_key: Some(current), ..User::default() };
    Ok(Kubeconfig::new("kubernetes", &cluster.server, &ca, &format!("system:node:{node_name}"), user))
}
