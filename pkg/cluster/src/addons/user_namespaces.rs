//! Pods with `hostUsers: false`.
//!
//! The runtime needs another handler for them, and only a RuntimeClass selects one. An admission policy sets it on such pods:
//! containerd selects no handler by a pod's user namespace, and a webhook would be one more pod.

use super::manifest::parse_objects;
use super::{Addon, never_disabled};

const MANIFEST: &str = include_str!("../../../../manifests/user-namespaces.yaml");

pub(super) const ADDON: Addon = Addon {
    name: "user-namespaces",
    short: "Install what pods with hostUsers: false need",
    is_disabled: never_disabled,
    render: |_| parse_objects("user-namespaces", MANIFEST),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::manifest::Manifest;
    use usernetes_api::constants::{USER_NAMESPACES_CLASS, USER_NAMESPACES_LABEL};

    #[test]
    fn names_are_those_of_the_nodes() {
        let manifest = Manifest::parse("user-namespaces", MANIFEST).expect("YAML");
        assert_eq!(manifest.text("RuntimeClass", "/handler").expect("a handler"), USER_NAMESPACES_CLASS);
        let selector = format!("/scheduling/nodeSelector/{}", USER_NAMESPACES_LABEL.replace('/', "~1"));
        assert_eq!(manifest.text("RuntimeClass", &selector).expect("a selector"), "true");
        let expression = "/spec/mutations/0/applyConfiguration/expression";
        let mutation = manifest.text("MutatingAdmissionPolicy", expression).expect("a mutation");
        assert!(mutation.contains(&format!("runtimeClassName: \"{USER_NAMESPACES_CLASS}\"")), "{mutation}");
    }
}
