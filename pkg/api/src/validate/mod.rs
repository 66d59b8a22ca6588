//! What cannot work, all of it at once, with the paths that kubeadm gives fields.
//!
//! Mirrors `cmd/kubeadm/app/apis/kubeadm/validation`; ranges are compared with each other besides, since in one
//! namespace with one tap an overlap is never reachable.

mod cluster;
mod join;
mod kubelet_flags;
mod rootless;

use crate::error::sort_mistakes;
use crate::{
    BootstrapTokenSpec, Config, ConfigError, ContainerRuntime, Duration, FieldError, NodeRegistrationOptions, Timeouts,
    constants, names,
};

impl Config {
    /// All mistakes of a configuration whose defaults are set.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut errors = Errors::default();
        match &self.join {
            Some(join) => join::validate_join(&mut errors, join),
            None => cluster::validate_init(&mut errors, self),
        }
        cluster::validate_cluster(&mut errors, self);
        rootless::validate_rootless(&mut errors, self);
        let errors = self.join_mistakes(errors.0);
        errors.is_empty().then_some(()).ok_or(ConfigError::Invalid(errors))
    }

    /// The mistakes of form of the user's file and those of values, in the order of the file. A field that could not be read has
    /// one only.
    fn join_mistakes(&self, of_values: Vec<FieldError>) -> Vec<FieldError> {
        let of_form = &self.sources.mistakes;
        let is_new = |error: &FieldError| !of_form.iter().any(|other| other.field == error.field);
        let of_values = of_values.into_iter().filter(is_new);
        let located = of_values.map(|error| FieldError { place: self.sources.locate(&error.field), ..error });
        sort_mistakes(of_form.iter().cloned().chain(located).collect())
    }
}

impl BootstrapTokenSpec {
    /// All mistakes of a token that is not part of a document; `prefix` is put before its fields in messages:
    /// the path in a document, or `--`, since flags have their names.
    pub fn validate(&self, prefix: &str) -> Result<(), ConfigError> {
        let mut errors = Errors::default();
        cluster::validate_bootstrap_token(&mut errors, prefix, self);
        errors.0.is_empty().then_some(()).ok_or(ConfigError::Invalid(errors.0))
    }
}

/// Collects mistakes.
#[derive(Default)]
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError::new(field, message));
    }

    /// Adds an error unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, field: impl Into<String>, message: impl FnOnce() -> String) {
        if !holds {
            self.add(field, message());
        }
    }

    /// Adds an error if a port is 0.
    pub(crate) fn require_port(&mut self, port: u16, field: &str) {
        self.require(port != 0, field, || "0 is not a port; choose one of 1 to 65535".into());
    }
}

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// `nodeRegistration` of init and join.
fn validate_node_registration(errors: &mut Errors, node: &NodeRegistrationOptions) {
    let name = &node.name;
    errors.require(names::is_subdomain(name) && name.len() <= 63, "nodeRegistration.name", || {
        format!(
            "{name:?} is not a node name: up to 63 of a-z, 0-9, '-' and '.', letters or digits at both ends, such as {}",
            names::suggest_node_name(name)
        )
    });
    errors.require(!names::is_localhost(name), "nodeRegistration.name", || {
        format!("{name:?} is the name of every host: give this one a name of its own, such as --node-name node-1")
    });
    errors.require(ContainerRuntime::of_socket(&node.cri_socket).is_some(), "nodeRegistration.criSocket", || {
        format!(
            "{:?} is no socket of a runtime that can be started here: unix://{} is containerd's, unix://{} CRI-O's",
            node.cri_socket,
            constants::CONTAINERD_SOCKET,
            constants::CRIO_SOCKET
        )
    });
    for (n, taint) in node.taints.iter().flatten().enumerate() {
        let field = format!("nodeRegistration.taints[{n}]");
        errors.require(is_qualified(&taint.key), format!("{field}.key"), || {
            format!("{:?} is not a label key such as example.com/name", taint.key)
        });
        errors.require(taint.value.is_empty() || is_label_value(&taint.value), format!("{field}.value"), || {
            format!("{:?} is not a label value", taint.value)
        });
        errors.require(EFFECTS.contains(&taint.effect.as_str()), format!("{field}.effect"), || {
            format!("{:?} is not one of {}", taint.effect, EFFECTS.join(", "))
        });
    }
    validate_arguments(errors, "nodeRegistration.kubeletExtraArgs", &node.kubelet_extra_args);
    kubelet_flags::validate_kubelet_flags(errors, &node.kubelet_extra_args);
}

fn validate_arguments(errors: &mut Errors, field: &str, args: &[crate::Arg]) {
    for (n, arg) in args.iter().enumerate() {
        let right = !arg.name.is_empty() && !arg.name.starts_with('-') && !arg.name.contains(['=', ' ']);
        errors.require(right, format!("{field}[{n}].name"), || {
            format!("{:?} is not the name of a flag without its dashes", arg.name)
        });
    }
}

fn validate_timeouts(errors: &mut Errors, t: &Timeouts) {
    let all = [
        ("controlPlaneComponentHealthCheck", t.control_plane_component_health_check),
        ("kubeletHealthCheck", t.kubelet_health_check),
        ("kubernetesAPICall", t.kubernetes_api_call),
        ("tlsBootstrap", t.tls_bootstrap),
        ("discovery", t.discovery),
    ];
    for (name, value) in all {
        errors.require(value > Duration::default(), format!("timeouts.{name}"), || "must be longer than 0s".into());
    }
}

/// `abcdef.0123456789abcdef`. The message does not repeat the token, which is a secret.
fn validate_token(errors: &mut Errors, field: &str, token: &str) {
    let right = token.split_once('.').is_some_and(|(id, secret)| is_token_part(id, 6) && is_token_part(secret, 16));
    errors.require(right, field, || {
        let what = if token.is_empty() { "no bootstrap token is given" } else { "what is given is no bootstrap token" };
        format!("{what}: ID.SECRET, which is 6 and 16 of a-z0-9")
    });
}

fn is_token_part(s: &str, length: usize) -> bool {
    s.len() == length && s.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// Label key: `name` or `prefix/name`.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => names::is_subdomain(prefix) && is_label_value(name),
        None => is_label_value(key),
    }
}

fn is_label_value(s: &str) -> bool {
    s.len() <= 63
        && s.starts_with(|c: char| c.is_ascii_alphanumeric())
        && s.ends_with(|c: char| c.is_ascii_alphanumeric())
        && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests;
