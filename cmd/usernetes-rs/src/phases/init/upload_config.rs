//! `upload-config`: the configuration as ConfigMaps, for joining nodes, upgrades and plain kubeadm.

use super::InitData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_host::fs;

pub(super) const PHASE: Phase<InitData> =
    Phase::new("upload-config", "Upload the kubeadm and kubelet configuration to ConfigMaps", run);

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let cluster = data.cluster()?;
    let kubelet = fs::read(data.node.session.paths().node("/var/lib/kubelet/config.yaml"))?;
    data.block_on(cluster.upload_config(&data.node.config.cluster, &kubelet))?;
    Ok("ConfigMaps kubeadm-config and kubelet-config".into())
}
