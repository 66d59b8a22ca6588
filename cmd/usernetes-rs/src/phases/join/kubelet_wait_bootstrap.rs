//! `kubelet-wait-bootstrap`: until the kubelet works with its own certificate.

use super::JoinData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_host::fs;
use usernetes_node::ComponentName;

pub(super) const PHASE: Phase<JoinData> =
    Phase::new("kubelet-wait-bootstrap", "Wait until the kubelet uses its own certificate", run);

fn run(data: &mut JoinData, _: &[&'static str]) -> Result<String> {
    let limit = data.node.config.timeouts().tls_bootstrap.0;
    let session = &data.node.session;
    session.instance.wait_for_components(&[ComponentName::Kubelet], limit)?;
    fs::remove_if_exists(session.kubeconfig("bootstrap-kubelet.conf"))?;
    Ok("kubelet has its own certificate; bootstrap credentials removed".into())
}
