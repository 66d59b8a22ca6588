//! `bootstrap-token`: tokens, the RBAC of hosts that join with them, and `cluster-info`.

use super::InitData;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use usernetes_api::constants::{BUNDLE_PORT, PKI_DIR};
use usernetes_cluster::tokens::TokenInfo;
use usernetes_host::fs;

pub(super) const PHASE: Phase<InitData> =
    Phase::new("bootstrap-token", "Create bootstrap tokens, their RBAC rules and cluster-info", run);

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let (cluster, bundle) = (data.cluster()?, data.node.bundle()?);
    let config = &data.node.config;
    let ca = fs::read(data.node.session.paths().node(PKI_DIR).join("ca.crt"))?;
    let tokens: Result<Vec<_>, _> = config.init.bootstrap_tokens.iter().map(TokenInfo::from_spec).collect();
    let tokens = tokens.context("bootstrapTokens")?;
    data.block_on(async {
        cluster.apply_bootstrap_rbac().await?;
        cluster.offer_bundle(config.node_name(), BUNDLE_PORT, bundle.digest()).await?;
        cluster.upload_cluster_info(&config.control_plane_url(), &ca).await?;
        for token in &tokens {
            cluster.create_token(token).await?;
        }
        anyhow::Ok(())
    })?;
    if tokens.is_empty() {
        return Ok("no new token; usernetes-rs token create makes one".into());
    }
    Ok(format!("cluster-info signed with {} token{}", tokens.len(), if tokens.len() == 1 { "" } else { "s" }))
}
