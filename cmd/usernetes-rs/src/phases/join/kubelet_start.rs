//! `kubelet-start`: the supervised node, without a control plane.

use super::JoinData;
use crate::phases::common;
use crate::workflow::Phase;
use anyhow::Result;

/// Starts the node.
pub(super) struct KubeletStart;

impl Phase<JoinData> for KubeletStart {
    fn name(&self) -> &'static str {
        "kubelet-start"
    }

    fn short(&self) -> &'static str {
        "Start containerd and the kubelet in their namespaces"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        common::start(&mut data.node)
    }
}
