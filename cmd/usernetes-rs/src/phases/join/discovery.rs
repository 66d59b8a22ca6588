//! `discovery`: finds the cluster, makes sure that it is the right one, and takes over its configuration.
//! Nothing secret is sent before the CA is verified.

use super::{JoinData, clock};
use crate::errors::{Hinted, PreflightFailed};
use crate::phases::{common, runtime};
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use jiff::SignedDuration;
use std::path::Path;
use std::time::Duration;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_api::{BootstrapTokenDiscovery, Config, Discovery as Choice, JoinConfiguration};
use usernetes_cluster::Cluster;
use usernetes_cluster::discovery::{self, Limits};
use usernetes_host::Level;
use usernetes_host::fs::{self, Mode};
use usernetes_node::config::kubelet_of_cluster;
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint, kubeconfig};

/// How long a classic join waits for the signature of its token: a cluster of kubeadm's signs some seconds after the
/// token was made. Ours signs at once, so the one string needs no patience.
const SIGNER: Duration = Duration::from_secs(10);
/// Outermost message of every failure.
const FAILED: &str = "the cluster cannot be joined";

/// Discovery by token or by file, as kubeadm does it.
pub(super) struct Discovery;

/// A cluster that is trusted, and how to ask it for a certificate.
struct Found {
    server: String,
    ca_pem: String,
    /// `bootstrap-kubelet.conf`.
    bootstrap: String,
    clock_ahead: Option<SignedDuration>,
}

impl Phase<JoinData> for Discovery {
    fn name(&self) -> &'static str {
        "discovery"
    }

    fn short(&self) -> &'static str {
        "Find the cluster and verify that it is the right one"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        if common::has_joined(&data.node.session) {
            return known(data);
        }
        let join = data.node.config.join.clone().context("the configuration has no JoinConfiguration")?;
        let found = find(data, &join)?;
        if let Some(finding) = clock::finding(found.clock_ahead, &join.node_registration.ignore_preflight_errors) {
            if finding.level == Level::Error {
                return Err(PreflightFailed(vec![finding]).into());
            }
            data.node.session.printer.findings(&[finding]);
        }
        let folder = data.node.session.paths.node(KUBERNETES_DIR);
        fs::write(data.node.session.paths.node(PKI_DIR).join("ca.crt"), &found.ca_pem, Mode::Public)?;
        let path = folder.join("bootstrap-kubelet.conf");
        fs::write(&path, &found.bootstrap, Mode::Secret)?;
        let documents = data.block_on(cluster_configuration(&path, data.node.config.node_name()))?;
        take_over(data, &documents, &found.server)?;
        Ok(format!("cluster at {}, CA verified", found.server))
    }
}

/// The last run came as far as the kubelet's certificate: the cluster is asked with that.
fn known(data: &mut JoinData) -> Result<String> {
    let documents = data.block_on(async {
        let cluster = common::connect(&data.node.session, "kubelet.conf").await?;
        anyhow::Ok((Documents::read(&cluster).await?, cluster.server().to_owned()))
    });
    let (documents, server) = documents.context("this node has its credentials already, but cannot use them")?;
    take_over(data, &documents, &server)?;
    Ok("this node has its credentials already".into())
}

fn find(data: &JoinData, join: &JoinConfiguration) -> Result<Found> {
    let Choice { bootstrap_token, file, tls_bootstrap_token } = &join.discovery;
    let own_token = (!tls_bootstrap_token.is_empty()).then(|| tls_bootstrap_token.parse()).transpose()?;
    match (bootstrap_token, file) {
        (Some(by_token), _) => by_token_found(data, by_token, own_token),
        (None, Some(file)) => by_file(data, &file.kube_config_path, own_token),
        (None, None) => unreachable!("validated"),
    }
}

fn by_token_found(
    data: &JoinData,
    by_token: &BootstrapTokenDiscovery,
    tls_bootstrap: Option<BootstrapToken>,
) -> Result<Found> {
    let token: BootstrapToken = by_token.token.parse()?;
    let more = &data.node.config.rootless.additional_endpoints;
    let endpoints = std::iter::once(&by_token.api_server_endpoint).chain(more);
    let endpoints: Vec<Endpoint> = endpoints.map(|endpoint| endpoint.parse()).collect::<Result<_, _>>()?;
    let pins: Vec<CaCertHash> = by_token.ca_cert_hashes.iter().map(|pin| pin.parse()).collect::<Result<_, _>>()?;
    let signature = if data.join_token.is_some() { Duration::ZERO } else { SIGNER };
    let limits = Limits { signature, ..Limits::default() };
    let found = data.block_on(discovery::discover(&endpoints, &token, &pins, &limits)).context(FAILED)?;
    let credentials = tls_bootstrap.unwrap_or(token);
    let bootstrap = kubeconfig::bootstrap("kubernetes", &found.info.server, &found.info.ca_pem, &credentials);
    Ok(Found {
        bootstrap: bootstrap.to_yaml(),
        server: found.info.server,
        ca_pem: found.info.ca_pem,
        clock_ahead: found.clock_ahead,
    })
}

/// A file is trusted because the user trusts it; it may bring the user for the TLS bootstrap as well.
fn by_file(data: &JoinData, path: &str, token: Option<BootstrapToken>) -> Result<Found> {
    let text = discovery_file(path)?;
    let info = usernetes_pki::ClusterInfo::parse(&text).with_context(|| format!("cannot use {path}"))?;
    let limit = Limits::default().answer;
    let verified = data.block_on(discovery::fetch_verified(&info.server, &info.ca_pem, limit, None)).context(FAILED)?;
    let has_user = kubeconfig::Kubeconfig::parse(&text)?.users.is_some_and(|users| !users.is_empty());
    let bootstrap = match token {
        Some(token) => kubeconfig::bootstrap("kubernetes", &info.server, &info.ca_pem, &token).to_yaml(),
        None if has_user => text,
        None => {
            let message = format!("{path} names no user, so this host cannot ask for its certificate");
            return Err(Hinted::new(message, "add --tls-bootstrap-token ID.SECRET").into());
        }
    };
    Ok(Found { bootstrap, server: info.server, ca_pem: info.ca_pem, clock_ahead: verified.clock_ahead })
}

/// The text of a discovery file or URL.
pub(crate) fn discovery_file(path: &str) -> Result<String> {
    if path.starts_with("https://") {
        return Ok(runtime()?.block_on(discovery::file::fetch_file(path))?);
    }
    Ok(fs::read(path)?)
}

/// The cluster's own document, read with the token's rights; refuses a name that a Ready node has.
async fn cluster_configuration(bootstrap: &Path, name: &str) -> Result<Documents> {
    let cluster = Cluster::connect(bootstrap).await?;
    let node = cluster.node(name).await.map_err(|error| {
        if error.is_unauthorized() {
            Hinted::new(
                "the cluster does not know this token any more: it has expired or was deleted",
                "make a new one on the control plane: usernetes-rs token create",
            )
            .because(error)
        } else {
            error.into()
        }
    })?;
    if node.is_some_and(|node| node.ready) {
        return Err(Hinted::new(
            format!("the cluster has a Ready node {name:?} already"),
            format!(
                "--node-name OTHER here, or usernetes-rs nodes remove {name} on the control-plane host if it is gone"
            ),
        )
        .into());
    }
    Documents::read(&cluster).await
}

/// What `upload-config` keeps in the cluster for nodes that join.
struct Documents {
    cluster: String,
    kubelet: String,
}

impl Documents {
    async fn read(cluster: &Cluster) -> Result<Self> {
        let (cluster, kubelet) = tokio::try_join!(cluster.cluster_configuration(), cluster.kubelet_configuration())?;
        Ok(Self { cluster, kubelet })
    }
}

/// What all nodes share comes from the cluster; what is this host's stays.
fn take_over(data: &mut JoinData, documents: &Documents, server: &str) -> Result<()> {
    let config = &mut data.node.config;
    config.cluster = Config::parse(Path::new("ConfigMap kubeadm-config"), &documents.cluster)?.cluster;
    let kubelet = Config::parse(Path::new("ConfigMap kubelet-config"), &documents.kubelet)?.kubelet;
    config.kubelet = kubelet.map(|theirs| kubelet_of_cluster(theirs, config.kubelet.as_ref()));
    if config.cluster.control_plane_endpoint.is_empty() {
        server.trim_start_matches("https://").clone_into(&mut config.cluster.control_plane_endpoint);
    }
    config.validate()?;
    Ok(fs::write(data.node.session.paths.config(), data.node.config.to_kept_yaml(), Mode::Secret)?)
}
