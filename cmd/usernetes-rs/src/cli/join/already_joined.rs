//! A host that has joined a cluster does not leave it by joining another one, and keeps its name there.

use crate::errors::Hinted;
use crate::phases::join::read_discovery_file;
use crate::session::Session;
use anyhow::Result;
use usernetes_api::constants::PKI_DIR;
use usernetes_api::{Config, Discovery};
use usernetes_host::fs;
use usernetes_pki::{CaCertHash, ClusterInfo};

/// Refuses what would make this host part of another cluster. `named` is whether the command line or a file names the
/// cluster; kept documents are this host's own.
pub(super) fn refuse_other_cluster(session: &Session, config: &Config, named: bool) -> Result<()> {
    let Some(kept) = session.kept_config()? else { return Ok(()) };
    let flag = session.cluster_flag();
    let hint = format!("usernetes-rs{flag} reset removes it; --cluster NAME makes another node beside it");
    if kept.join.is_none() {
        return Err(Hinted::new("this host is the control plane of a cluster already", hint).into());
    }
    if !named || !session.paths().has_joined() {
        return Ok(());
    }
    if let Some(other) = find_other_ca(session, config)? {
        let message = format!("this host is a node of another cluster already: the CA of the {other} is not its CA");
        return Err(Hinted::new(message, hint).into());
    }
    let (own, wanted) = (kept.node_name(), config.node_name());
    if own != wanted {
        let message = format!("this host is node {own:?} already, by its certificate: it cannot be {wanted:?}");
        let hint = format!("join without another name, or usernetes-rs{flag} reset first");
        return Err(Hinted::new(message, hint).into());
    }
    Ok(())
}

/// What names another CA than this node's.
fn find_other_ca(session: &Session, config: &Config) -> Result<Option<&'static str>> {
    let Some(ca) = fs::read_if_exists(session.paths().node(PKI_DIR).join("ca.crt"))? else { return Ok(None) };
    let own = CaCertHash::of_pem(&ca)?;
    Ok(match config.join.as_ref().map(|join| &join.discovery) {
        Some(Discovery { bootstrap_token: Some(by_token), .. }) => {
            let pins = &by_token.ca_cert_hashes;
            (!pins.is_empty() && !pins.contains(&own.to_string())).then_some("token")
        }
        Some(Discovery { file: Some(file), .. }) => {
            let info = ClusterInfo::parse(&read_discovery_file(&file.kube_config_path)?)?;
            (CaCertHash::of_pem(&info.ca_pem)? != own).then_some("discovery file")
        }
        _ => None,
    })
}
