//! `upload-config`: the configuration as ConfigMaps, for joining nodes, upgrades and plain kubeadm.

use super::InitData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_host::fs;

/// Uploads kubeadm's and the kubelet's configuration.
pub(super) struct UploadConfig;

impl Phase<InitData> for UploadConfig {
    fn name(&self) -> &'static str {
        "upload-config"
    }

    fn short(&self) -> &'static str {
        "Keep the configuration in the cluster"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        let cluster = data.cluster()?;
        let kubelet = fs::read(data.node.session.paths.node("/var/lib/kubelet/config.yaml"))?;
        data.block_on(cluster.upload_config(&data.node.config.cluster, &kubelet))?;
        Ok("ConfigMaps kubeadm-config and kubelet-config".into())
    }
}
