//! `discovery`: finds the cluster, makes sure that it is the right one, and takes over its configuration.
//! Nothing secret is sent before the CA is verified.

use super::JoinData;
use crate::errors::{Hinted, UsageError};
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use std::path::Path;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_api::{BootstrapTokenDiscovery, Config};
use usernetes_cluster::Cluster;
use usernetes_cluster::discovery::{self, DiscoverError, Limits};
use usernetes_host::fs::{self, Mode};
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint, kubeconfig};

/// Token discovery as kubeadm does it.
pub(super) struct Discovery;

impl Phase<JoinData> for Discovery {
    fn name(&self) -> &'static str {
        "discovery"
    }

    fn short(&self) -> &'static str {
        "Find the cluster and verify that it is the right one"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        let folder = data.node.session.paths.node(KUBERNETES_DIR);
        if folder.join("kubelet.conf").exists() {
            return Ok("this node has its credentials already".into());
        }
        let join = data.node.config.join.clone().context("the configuration has no JoinConfiguration")?;
        let by_token = join
            .discovery
            .bootstrap_token
            .ok_or_else(|| UsageError::Flags("discovery by file is not there yet; join with a token".into()))?;
        let token: BootstrapToken = by_token.token.parse()?;
        let found = data.block_on(discover(&by_token, &token, join.timeouts.discovery.0))?;
        fs::write(data.node.session.paths.node(PKI_DIR).join("ca.crt"), &found.ca_pem, Mode::Public)?;
        let bootstrap = kubeconfig::bootstrap("kubernetes", &found.server, &found.ca_pem, &token);
        let path = folder.join("bootstrap-kubelet.conf");
        fs::write(&path, bootstrap.to_yaml(), Mode::Secret)?;
        let document = data.block_on(cluster_configuration(&path, data.node.config.node_name()))?;
        take_over(&mut data.node.config, &document, &found.server)?;
        fs::write(data.node.session.paths.config(), data.node.config.to_yaml(), Mode::Secret)?;
        Ok(format!("cluster at {}, CA verified", found.server))
    }
}

async fn discover(
    by_token: &BootstrapTokenDiscovery,
    token: &BootstrapToken,
    limit: std::time::Duration,
) -> Result<usernetes_pki::ClusterInfo> {
    let endpoint: Endpoint = by_token.api_server_endpoint.parse()?;
    let pins: Vec<CaCertHash> = by_token.ca_cert_hashes.iter().map(|pin| pin.parse()).collect::<Result<_, _>>()?;
    let limits = Limits { signature: limit, ..Limits::default() };
    let found = discovery::discover(&[endpoint], token, &pins, &limits).await;
    Ok(found.map_err(hinted)?.info)
}

fn hinted(error: DiscoverError) -> anyhow::Error {
    let cure = error.hint();
    Hinted::new("the cluster cannot be joined", cure).because(error)
}

/// The cluster's own document, read with the token's rights; refuses a name that a Ready node has.
async fn cluster_configuration(bootstrap: &Path, name: &str) -> Result<String> {
    let cluster = Cluster::connect(bootstrap).await?;
    if cluster.node(name).await?.is_some_and(|node| node.ready) {
        return Err(Hinted::new(
            format!("the cluster has a Ready node {name:?} already"),
            format!(
                "--node-name OTHER here, or usernetes-rs nodes remove {name} on the control-plane host if it is gone"
            ),
        )
        .into());
    }
    Ok(cluster.cluster_configuration().await?)
}

/// What all nodes share comes from the cluster; what is this host's stays.
fn take_over(config: &mut Config, document: &str, server: &str) -> Result<()> {
    let theirs = Config::parse(Path::new("ConfigMap kubeadm-config"), document)?;
    config.cluster = theirs.cluster;
    if config.cluster.control_plane_endpoint.is_empty() {
        config.cluster.control_plane_endpoint = server.trim_start_matches("https://").to_owned();
    }
    config.validate()?;
    Ok(())
}
