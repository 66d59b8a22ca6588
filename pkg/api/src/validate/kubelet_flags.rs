//! Flags of the kubelet with which it exits at once: labels and taints that it does not accept.
//!
//! Mirrors `ValidateKubeletFlags` of `cmd/kubelet/app/options`: a kubelet must not set labels of `kubernetes.io` and
//! `k8s.io` on its own Node but for some.

use super::{EFFECTS, Errors, is_label_value, is_qualified};
use crate::Arg;

/// Labels of Kubernetes that a kubelet may set.
const ALLOWED: [&str; 11] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];
/// Prefixes whose labels, and those below them, a kubelet may set.
const ALLOWED_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

pub(super) fn validate_kubelet_flags(errors: &mut Errors, args: &[Arg]) {
    for (n, arg) in args.iter().enumerate() {
        let field = format!("nodeRegistration.kubeletExtraArgs[{n}].value");
        for entry in arg.value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match arg.name.as_str() {
                "node-labels" => validate_label(errors, &field, entry),
                "register-with-taints" => validate_taint(errors, &field, entry),
                _ => {}
            }
        }
    }
}

fn validate_label(errors: &mut Errors, field: &str, label: &str) {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    errors.require(is_qualified(key) && (value.is_empty() || is_label_value(value)), field, || {
        format!("{label:?} is not a label such as example.com/name=value")
    });
    errors.require(may_set(key), field, || {
        format!(
            "the kubelet must not set the label {key} on its own Node; leave it out, and set it when the node is Ready: \
             usernetes-rs kubectl label node NODE {key}={value} (on the control-plane host)"
        )
    });
}

fn may_set(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return true };
    let is_kubernetes = ["kubernetes.io", "k8s.io"].iter().any(|domain| is_below(prefix, domain));
    !is_kubernetes || ALLOWED.contains(&key) || ALLOWED_PREFIXES.iter().any(|allowed| is_below(prefix, allowed))
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `key=value:Effect`, `key:Effect`.
fn validate_taint(errors: &mut Errors, field: &str, taint: &str) {
    let is_taint = taint.rsplit_once(':').is_some_and(|(label, effect)| {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        is_qualified(key) && (value.is_empty() || is_label_value(value)) && EFFECTS.contains(&effect)
    });
    errors.require(is_taint, field, || {
        format!("{taint:?} is not a taint KEY=VALUE:EFFECT with one of {}", EFFECTS.join(", "))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(name: &str, value: &str) -> String {
        let mut errors = Errors::default();
        validate_kubelet_flags(&mut errors, &[Arg { name: name.into(), value: value.into() }]);
        errors.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn labels_of_kubernetes_are_refused_but_for_some() {
        let good = "disk=ssd,example.com/a=b,kubernetes.io/hostname=a,node.kubernetes.io/x=,a.node.kubernetes.io/x=1,\
                    topology.kubernetes.io/zone=z,notk8s.io/a=1,empty";
        assert_eq!(mistakes("node-labels", good), "");
        insta::assert_snapshot!(mistakes("node-labels", "node-role.kubernetes.io/worker="), @"nodeRegistration.kubeletExtraArgs[0].value: the kubelet must not set the label node-role.kubernetes.io/worker on its own Node; leave it out, and set it when the node is Ready: usernetes-rs kubectl label node NODE node-role.kubernetes.io/worker= (on the control-plane host)");
        assert!(mistakes("node-labels", "x.k8s.io/a=b").contains("must not set"));
        insta::assert_snapshot!(mistakes("node-labels", "a=b c"), @r#"nodeRegistration.kubeletExtraArgs[0].value: "a=b c" is not a label such as example.com/name=value"#);
    }

    #[test]
    fn taints_have_an_effect() {
        assert_eq!(mistakes("register-with-taints", "a=b:NoSchedule,a:NoExecute"), "");
        insta::assert_snapshot!(mistakes("register-with-taints", "a=b"), @r#"nodeRegistration.kubeletExtraArgs[0].value: "a=b" is not a taint KEY=VALUE:EFFECT with one of NoSchedule, PreferNoSchedule, NoExecute"#);
    }
}
