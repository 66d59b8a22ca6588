//! Warns clients that create NetworkPolicies: flannel enforces none.

use super::manifest::parse_objects;
use super::{Addon, never_disabled};

const MANIFEST: &str = include_str!("../../../../manifests/network-policies.yaml");

pub(super) const ADDON: Addon = Addon {
    name: "network-policies",
    short: "Install the warning that NetworkPolicies have no effect",
    is_disabled: never_disabled,
    render: |_| parse_objects("network-policies", MANIFEST),
};
