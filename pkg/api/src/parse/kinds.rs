//! Kinds of documents, and which command reads which.

use crate::document::{FieldPath, Segment};
use crate::fields::scalar_text;
use crate::names::nearest_name;
use crate::node_state::NODE_STATE;
use crate::yaml::{KUBE_PROXY, KUBEADM, KUBELET, ROOTLESS};
use serde_yaml::Value;
use std::fmt;

use super::v1beta3;

const KNOWN: [(&str, &str); 8] = [
    (KUBEADM, "InitConfiguration"),
    (KUBEADM, "ClusterConfiguration"),
    (KUBEADM, "JoinConfiguration"),
    (KUBEADM, "ResetConfiguration"),
    (KUBEADM, "UpgradeConfiguration"),
    (ROOTLESS, "RootlessConfiguration"),
    (KUBELET, "KubeletConfiguration"),
    (KUBE_PROXY, "KubeProxyConfiguration"),
];

/// A command that reads a file. As kubeadm's it reads its own kinds and names those that it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `init` and what prepares it.
    Init,
    /// `join`.
    Join,
    /// Whatever there is.
    All,
}

impl Reader {
    /// Whether the command reads a kind of document.
    pub(super) fn reads(self, kind: &str) -> bool {
        match self {
            Self::Init => !matches!(kind, "JoinConfiguration" | "ResetConfiguration" | "UpgradeConfiguration"),
            Self::Join => {
                matches!(kind, "JoinConfiguration" | "RootlessConfiguration" | "KubeletConfiguration" | NODE_STATE)
            }
            Self::All => true,
        }
    }

    /// What is missing in a file of these kinds. kubeadm insists on a kind of its own; here a component's configuration may
    /// stand alone.
    pub(super) fn find_missing<'a>(self, mut kinds: impl Iterator<Item = &'a str>) -> Option<String> {
        let missing = match self {
            Self::Init => "the file has no document of init: neither InitConfiguration nor ClusterConfiguration",
            Self::Join => "the file has no JoinConfiguration",
            Self::All => {
                "the file has no document; one begins with `apiVersion: kubeadm.k8s.io/v1beta4` and `kind: ClusterConfiguration`"
            }
        };
        (!kinds.any(|kind| self.reads(kind))).then(|| missing.to_owned())
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Join => "join",
            Self::All => "the program",
        })
    }
}

/// The fields that name the type of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// Takes the type out of a document, and checks that it is known: else a message and a hint.
pub(super) fn check_kind(document: &mut Value, is_kept: bool) -> Result<Header, (String, Option<String>)> {
    let Value::Mapping(fields) = document else {
        return Err(("a document is a mapping of fields, with apiVersion and kind among them".into(), None));
    };
    let mut take = |name: &str| fields.remove(name).as_ref().and_then(scalar_text).unwrap_or_default();
    let header = Header { api_version: take("apiVersion"), kind: take("kind") };
    let missing = match (header.api_version.is_empty(), header.kind.is_empty()) {
        (false, false) => None,
        (true, true) => Some("apiVersion and kind are missing"),
        (true, false) => Some("apiVersion is missing"),
        (false, true) => Some("kind is missing"),
    };
    if let Some(missing) = missing {
        return Err((missing.into(), None));
    }
    let Header { api_version, kind } = &header;
    if api_version == ROOTLESS && kind == NODE_STATE {
        let (message, hint) = refuse_state(kind);
        return if is_kept { Ok(header) } else { Err((message, Some(hint))) };
    }
    let is_known = KNOWN.contains(&(api_version, kind)) || v1beta3::is_known(api_version, kind);
    if is_known { Ok(header) } else { Err(refuse_kind(api_version, kind)) }
}

/// Why the node's state is no part of a user's file, and what to do about it.
pub(super) fn refuse_state(name: &str) -> (String, String) {
    (format!("{name} is state of a node, not configuration"), format!("remove {name}; the program keeps it itself"))
}

fn refuse_kind(api_version: &str, kind: &str) -> (String, Option<String>) {
    if let Some(version) = api_version.strip_prefix("kubeadm.k8s.io/") {
        // Each kubeadm converts from the versions that it still reads.
        let converter = match version {
            "v1beta2" => Some("v1.22 to v1.26"),
            "v1beta1" => Some("v1.15 to v1.21, and then one of v1.22 to v1.26,"),
            _ => None,
        };
        if let Some(releases) = converter {
            let hint = format!(
                "a kubeadm of {releases} rewrites the file: kubeadm config migrate --old-config FILE --new-config NEW"
            );
            return (format!("{api_version} is too old: kubeadm v1.36 does not read it either"), Some(hint));
        }
        if version != "v1beta4" && version != "v1beta3" {
            return (format!("{api_version} is not known; v1beta4 and v1beta3 are"), None);
        }
    }
    if (api_version, kind) == ("v1", "ConfigMap") {
        let hint =
            "kubectl -n kube-system get configmap kubeadm-config -o jsonpath={.data.ClusterConfiguration} > FILE";
        return ("a ConfigMap is not configuration; the documents in its data are".into(), Some(hint.into()));
    }
    let kinds: Vec<&str> = KNOWN.iter().map(|(_, kind)| *kind).collect();
    let near = nearest_name(kind, &kinds).or_else(|| kinds.iter().copied().find(|known| is_begun(known, kind)));
    let Some(near) = near else {
        let known: Vec<String> = KNOWN.iter().map(|(group, kind)| format!("{group} {kind}")).collect();
        return (format!("unknown document {api_version} {kind}; known are {}", known.join(", ")), None);
    };
    let group = KNOWN.iter().find(|(_, kind)| *kind == near).map(|(group, _)| *group).unwrap_or_default();
    (format!("unknown document {api_version} {kind}; did you mean {group} {near}?"), None)
}

/// Whether a known kind begins as the given one, as `ClusterConfiguration` does as `ClusterConfig`.
fn is_begun(known: &str, given: &str) -> bool {
    given.len() >= 4 && known.to_lowercase().starts_with(&given.to_lowercase())
}

/// The mistakes to report: where a second document begins without a separator, that alone.
pub(super) fn select_duplicates(all: &[FieldPath]) -> &[FieldPath] {
    let begins = |path: &FieldPath| matches!(path.0.as_slice(), [Segment::Second(name)] if name == "apiVersion");
    match all.iter().position(begins) {
        Some(n) => &all[n..=n],
        None => all,
    }
}

/// The path and the mistake of a name that stands twice.
pub(super) fn describe_duplicate(path: &FieldPath) -> (String, String) {
    match path.0.as_slice() {
        [Segment::Second(name)] if matches!(name.as_str(), "apiVersion" | "kind") => {
            (String::new(), "a second document begins here; separate documents by a line `---`".into())
        }
        _ => (path.to_string(), "stands twice in one mapping; remove one of the two".into()),
    }
}
