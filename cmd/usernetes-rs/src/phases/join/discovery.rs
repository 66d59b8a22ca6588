//! `discovery`: finds the cluster, verifies that it is the right one, and adopts its configuration. Nothing secret is sent
//! before the CA is verified.

use super::{JoinData, clock};
use crate::errors::{Hinted, PreflightFailed};
use crate::session::{KUBELET_CONF, block_on};
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use jiff::SignedDuration;
use std::path::Path;
use std::time::Duration;
use usernetes_api::constants::PKI_DIR;
use usernetes_api::{BootstrapTokenDiscovery, Config, Discovery as Choice, JoinConfiguration};
use usernetes_cluster::Cluster;
use usernetes_cluster::discovery::{self, Limits};
use usernetes_host::Level;
use usernetes_host::fs::{self, Mode};
use usernetes_node::config::adopt_kubelet_config;
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint, kubeconfig};

/// How long a join with `HOST:PORT` waits for the signature of its token: a cluster that kubeadm made signs some seconds
/// after the token was created. Ours signs at once, so a join token needs no wait.
const SIGNATURE_LIMIT: Duration = Duration::from_secs(10);
/// Outermost message of every failure.
const FAILED: &str = "the cluster cannot be joined";

pub(super) const PHASE: Phase<JoinData> =
    Phase::new("discovery", "Find the cluster and verify that it is the right one", run);

/// A verified cluster, and how to request a certificate from it.
struct Discovered {
    server: String,
    ca_pem: String,
    /// `bootstrap-kubelet.conf`.
    bootstrap: String,
    clock_ahead: Option<SignedDuration>,
}

fn run(data: &mut JoinData, _: &[&'static str]) -> Result<String> {
    let session = data.node.session.clone();
    if session.paths().has_joined() {
        return resume_with_credentials(data);
    }
    let join = data.node.config.join.clone().context("the configuration has no JoinConfiguration")?;
    let found = discover(data, &join)?;
    if let Some(finding) = clock::check_skew(found.clock_ahead, &join.node_registration.ignore_preflight_errors) {
        if finding.level == Level::Error {
            return Err(PreflightFailed(vec![finding]).into());
        }
        session.printer.findings(&[finding]);
    }
    fs::write(session.paths().node(PKI_DIR).join("ca.crt"), &found.ca_pem, Mode::Public)?;
    let path = session.kubeconfig("bootstrap-kubelet.conf");
    fs::write(&path, &found.bootstrap, Mode::Secret)?;
    let documents = data.block_on(read_documents(&path, data.node.config.node_name()))?;
    adopt_cluster_config(data, &documents, &found.server)?;
    Ok(format!("cluster at {}, CA verified", found.server))
}

/// The last run has got the kubelet's certificate: the cluster is asked with that.
fn resume_with_credentials(data: &mut JoinData) -> Result<String> {
    let documents = data.block_on(async {
        let cluster = data.node.session.api_server(KUBELET_CONF).await?;
        anyhow::Ok((Documents::read(&cluster).await?, cluster.server().to_owned()))
    });
    let (documents, server) = documents.context("this node has its credentials already, but cannot use them")?;
    adopt_cluster_config(data, &documents, &server)?;
    Ok("this node has its credentials already".into())
}

fn discover(data: &JoinData, join: &JoinConfiguration) -> Result<Discovered> {
    let Choice { bootstrap_token, file, tls_bootstrap_token } = &join.discovery;
    let own_token = (!tls_bootstrap_token.is_empty()).then(|| tls_bootstrap_token.parse()).transpose()?;
    match (bootstrap_token, file) {
        (Some(by_token), _) => discover_by_token(data, by_token, own_token),
        (None, Some(file)) => discover_by_file(data, &file.kube_config_path, own_token),
        (None, None) => unreachable!("validated"),
    }
}

fn discover_by_token(
    data: &JoinData,
    by_token: &BootstrapTokenDiscovery,
    tls_bootstrap: Option<BootstrapToken>,
) -> Result<Discovered> {
    let token: BootstrapToken = by_token.token.parse()?;
    let additional = &data.node.config.rootless.additional_endpoints;
    let endpoints = std::iter::once(&by_token.api_server_endpoint).chain(additional);
    let endpoints: Vec<Endpoint> = endpoints.map(|endpoint| endpoint.parse()).collect::<Result<_, _>>()?;
    let pins: Vec<CaCertHash> = by_token.ca_cert_hashes.iter().map(|pin| pin.parse()).collect::<Result<_, _>>()?;
    let signature = if data.join_token.is_some() { Duration::ZERO } else { SIGNATURE_LIMIT };
    let limits = Limits { signature, ..Limits::default() };
    let found = data.block_on(discovery::discover(&endpoints, &token, &pins, &limits)).context(FAILED)?;
    let credentials = tls_bootstrap.unwrap_or(token);
    let bootstrap = kubeconfig::bootstrap("kubernetes", &found.info.server, &found.info.ca_pem, &credentials);
    Ok(Discovered {
        bootstrap: bootstrap.to_yaml(),
        server: found.info.server,
        ca_pem: found.info.ca_pem,
        clock_ahead: found.clock_ahead,
    })
}

/// A file is trusted because the user names it; it may contain the user of the TLS bootstrap as well.
fn discover_by_file(data: &JoinData, path: &str, token: Option<BootstrapToken>) -> Result<Discovered> {
    let text = read_discovery_file(path)?;
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
    Ok(Discovered { bootstrap, server: info.server, ca_pem: info.ca_pem, clock_ahead: verified.clock_ahead })
}

/// The text of a discovery file or URL.
pub(crate) fn read_discovery_file(path: &str) -> Result<String> {
    if path.starts_with("https://") {
        return Ok(block_on(discovery::file::fetch_file(path))??);
    }
    Ok(fs::read(path)?)
}

/// The cluster's own documents, read with the rights of the token. A name that a Ready node has is an error.
async fn read_documents(bootstrap: &Path, name: &str) -> Result<Documents> {
    let cluster = Cluster::connect(bootstrap).await?;
    let node = cluster.node(name).await.map_err(|error| {
        if error.is_unauthorized() {
            Hinted::new(
                "the cluster does not accept this token: it has expired or was deleted",
                "usernetes-rs token create on the control-plane host makes a new one",
            )
            .caused_by(error)
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

/// The ConfigMaps of `upload-config`.
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

/// Takes what all nodes share from the cluster; what belongs to this host stays.
fn adopt_cluster_config(data: &mut JoinData, documents: &Documents, server: &str) -> Result<()> {
    let config = &mut data.node.config;
    config.cluster = Config::parse(Path::new("ConfigMap kubeadm-config"), &documents.cluster)?.cluster;
    if config.cluster.networking.pod_subnet.is_empty() {
        let message = "the cluster's kubeadm-config has no networking.podSubnet; the default range is assumed";
        data.node.session.printer.warn(message);
    }
    config.set_cluster_defaults();
    let kubelet = Config::parse(Path::new("ConfigMap kubelet-config"), &documents.kubelet)?.kubelet;
    config.kubelet = kubelet.map(|theirs| adopt_kubelet_config(theirs, config.kubelet.as_ref()));
    if config.cluster.control_plane_endpoint.is_empty() {
        server.trim_start_matches("https://").clone_into(&mut config.cluster.control_plane_endpoint);
    }
    config.choose_tap_range(&usernetes_host::env::used_ranges()?);
    config.validate()?;
    Ok(data.node.session.instance.keep_config(&data.node.config)?)
}
