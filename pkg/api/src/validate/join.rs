//! `JoinConfiguration`.

use super::{Errors, validate_node_registration, validate_timeouts, validate_token};
use crate::{BootstrapTokenDiscovery, Discovery, JoinConfiguration, names};

pub(super) fn validate_join(errors: &mut Errors, join: &JoinConfiguration) {
    validate_node_registration(errors, &join.node_registration);
    validate_timeouts(errors, &join.timeouts);
    validate_discovery(errors, &join.discovery);
}

fn validate_discovery(errors: &mut Errors, discovery: &Discovery) {
    match (&discovery.bootstrap_token, &discovery.file) {
        (None, None) => errors.add("discovery", "bootstrapToken or file must be set"),
        (Some(_), Some(_)) => errors.add("discovery", "bootstrapToken and file cannot both be set"),
        (Some(by_token), None) => validate_token_discovery(errors, by_token),
        (None, Some(file)) => {
            let path = &file.kube_config_path;
            let scheme = path.split_once("://").map(|(scheme, _)| scheme);
            errors.require(
                !path.is_empty() && scheme.is_none_or(|s| s == "https"),
                "discovery.file.kubeConfigPath",
                || format!("{path:?} is neither a path nor an https URL"),
            );
        }
    }
    if !discovery.tls_bootstrap_token.is_empty() {
        validate_token(errors, "discovery.tlsBootstrapToken", &discovery.tls_bootstrap_token);
    }
}

fn validate_token_discovery(errors: &mut Errors, by_token: &BootstrapTokenDiscovery) {
    validate_token(errors, "discovery.bootstrapToken.token", &by_token.token);
    let endpoint = &by_token.api_server_endpoint;
    let right = names::host_port(endpoint).is_some_and(|(_, port)| port.is_some());
    errors.require(right, "discovery.bootstrapToken.apiServerEndpoint", || format!("{endpoint:?} is not HOST:PORT"));

    let field = "discovery.bootstrapToken.caCertHashes";
    let pins = &by_token.ca_cert_hashes;
    errors.require(!pins.is_empty() || by_token.unsafe_skip_ca_verification, field, || {
        "a pin of the cluster's CA is needed, else anyone could answer; unsafeSkipCAVerification: true \
         (--discovery-token-unsafe-skip-ca-verification) goes without"
            .into()
    });
    for pin in pins {
        let hex = pin.strip_prefix("sha256:").unwrap_or_default();
        errors.require(hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit()), field, || {
            format!("{pin:?} is not sha256: and 64 hexadecimal digits")
        });
    }
}
