//! `usernetes.rs/v1alpha1` `NodeState`: what the tool has found out about this node.
//!
//! The document is part of the kept configuration only. A user's file describes what a user wants, so it is refused
//! there.

use serde::{Deserialize, Serialize};

/// Kind of the document.
pub(crate) const NODE_STATE: &str = "NodeState";
/// Fields that were part of `RootlessConfiguration` before there was a `NodeState`.
pub(crate) const FORMER_FIELDS: [&str; 2] = ["hostIPFound", "bundleSHA256"];

/// What the tool has found out about this node, in the kept configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeState {
    /// Whether `hostIP` was detected instead of configured: when the host loses it, a new one is detected.
    #[serde(rename = "hostIPDetected", skip_serializing_if = "std::ops::Not::not")]
    pub host_ip_detected: bool,
    /// Whether `network.cidr` was chosen by the tool: another one is chosen when it turns out to be in use.
    #[serde(rename = "tapCIDRChosen", skip_serializing_if = "std::ops::Not::not")]
    pub tap_cidr_chosen: bool,
    /// SHA-256 of the `bundle.yaml` that this node runs, in lower-case hex; from a join token or a peer.
    #[serde(rename = "bundleSHA256", skip_serializing_if = "Option::is_none")]
    pub bundle_sha256: Option<String>,
}

/// The state as fields of `RootlessConfiguration`, where versions before 1.0 kept it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FormerState {
    #[serde(rename = "hostIPFound")]
    host_ip_found: bool,
    #[serde(rename = "bundleSHA256")]
    bundle_sha256: Option<String>,
}

impl From<FormerState> for NodeState {
    fn from(former: FormerState) -> Self {
        Self { host_ip_detected: former.host_ip_found, bundle_sha256: former.bundle_sha256, ..Self::default() }
    }
}
