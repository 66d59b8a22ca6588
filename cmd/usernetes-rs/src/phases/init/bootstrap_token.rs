//! `bootstrap-token`: tokens, the RBAC that lets their bearers join, and `cluster-info`.

use super::InitData;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use usernetes_api::constants::{BUNDLE_PORT, PKI_DIR};
use usernetes_cluster::tokens::TokenInfo;
use usernetes_host::fs;

/// Makes tokens and what they need.
pub(super) struct BootstrapToken;

impl Phase<InitData> for BootstrapToken {
    fn name(&self) -> &'static str {
        "bootstrap-token"
    }

    fn short(&self) -> &'static str {
        "Let other hosts join"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        let cluster = data.cluster()?;
        let ca = fs::read(data.node.session.paths.node(PKI_DIR).join("ca.crt"))?;
        let server = data.node.config.control_plane_url();
        let wanted = &data.node.config.init.bootstrap_tokens;
        let tokens: Result<Vec<_>, _> = wanted.iter().map(TokenInfo::from_spec).collect();
        let tokens = tokens.context("bootstrapTokens")?;
        let node = data.node.config.node_name().to_owned();
        data.block_on(async {
            cluster.apply_bootstrap_rbac().await?;
            cluster.offer_bundle(&node, BUNDLE_PORT).await?;
            cluster.upload_cluster_info(&server, &ca).await?;
            for token in &tokens {
                cluster.create_token(token).await?;
            }
            anyhow::Ok(())
        })?;
        Ok(format!("cluster-info signed with {} token{}", tokens.len(), if tokens.len() == 1 { "" } else { "s" }))
    }
}
