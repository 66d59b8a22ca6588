//! Which cluster: the one string, `HOST:PORT` with kubeadm's flags, or a file.

use super::JoinArgs;
use crate::cli::secret::text;
use crate::errors::{Hinted, UsageError};
use anyhow::{Context as _, Result};
use std::io::Read as _;
use usernetes_api::{BootstrapTokenDiscovery, Config, FileDiscovery};
use usernetes_pki::JoinToken;

/// Where a join begins.
const SOURCES: &str = "on the control-plane host, usernetes-rs token create prints one string for usernetes-rs join; where \
                       kubeadm made the cluster, kubeadm token create --print-join-command prints HOST:PORT with its flags";
/// What is longer is no token.
const LONGEST_TARGET: u64 = 64 * 1024;

impl JoinArgs {
    pub(super) fn apply_discovery(&self, config: &mut Config) -> Result<Option<JoinToken>> {
        let join = config.join.as_mut().expect("just made");
        join.skip_phases.extend(self.skip_phases.iter().cloned());
        if let Some(path) = &self.discovery_file {
            join.discovery.file = Some(FileDiscovery { kube_config_path: path.clone() });
        }
        // As with kubeadm: where discovery needs no token, --token is that of the TLS bootstrap.
        let token = self.token.as_ref().filter(|_| self.discovery_file.is_some());
        if let Some(token) = self.tls_bootstrap_token.as_ref().or(token) {
            token.to_secret().expose().clone_into(&mut join.discovery.tls_bootstrap_token);
        }
        let Some(target) = self.target()? else { return Ok(None) };
        if is_one_string(&target) {
            self.refuse_classic_flags()?;
            let token: JoinToken = target.parse().map_err(UsageError::JoinToken)?;
            apply_token(config, &token);
            return Ok(Some(token));
        }
        self.require_classic(&target)?;
        config.rootless.additional_endpoints.clear();
        join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
            token: text(self.token.as_ref()),
            api_server_endpoint: target,
            ca_cert_hashes: self.discovery_token_ca_cert_hash.clone(),
            unsafe_skip_ca_verification: self.discovery_token_unsafe_skip_ca_verification,
        });
        Ok(None)
    }

    /// What to join; a token from standard input is in nobody's list of processes.
    fn target(&self) -> Result<Option<String>> {
        if self.target.as_deref() != Some("-") {
            return Ok(self.target.clone());
        }
        let mut text = String::new();
        std::io::stdin().take(LONGEST_TARGET).read_to_string(&mut text).context("cannot read standard input")?;
        let text = text.trim();
        if text.is_empty() {
            let cure = "usernetes-rs token create | ssh HOST usernetes-rs join -";
            return Err(Hinted::new("no token came on standard input", cure).into());
        }
        Ok(Some(text.to_owned()))
    }

    /// `HOST:PORT`, with what makes it a cluster to trust. The target is not repeated: it may be a token that lost its
    /// beginning.
    fn require_classic(&self, target: &str) -> Result<(), UsageError> {
        if !target.contains(':') {
            let message = "what is to be joined is neither a join token, which begins with u7s1., nor HOST:PORT";
            return Err(UsageError::Target { message: message.into(), hint: SOURCES });
        }
        let pinned = !self.discovery_token_ca_cert_hash.is_empty() || self.discovery_token_unsafe_skip_ca_verification;
        let missing = match (self.token.is_some(), pinned) {
            (true, true) => return Ok(()),
            (true, false) => "--discovery-token-ca-cert-hash sha256:HEX",
            (false, true) => "--token ID.SECRET",
            (false, false) => "--token ID.SECRET and --discovery-token-ca-cert-hash sha256:HEX",
        };
        Err(UsageError::Target { message: format!("join HOST:PORT wants {missing}"), hint: SOURCES })
    }

    /// The one string has a secret and a pin of its own; others beside it would go unheard.
    fn refuse_classic_flags(&self) -> Result<(), UsageError> {
        let given = [
            (self.token.is_some(), "--token (or USERNETES_TOKEN)"),
            (!self.discovery_token_ca_cert_hash.is_empty(), "--discovery-token-ca-cert-hash"),
            (self.discovery_token_unsafe_skip_ca_verification, "--discovery-token-unsafe-skip-ca-verification"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(UsageError::Flags(format!(
                "{flag} goes with HOST:PORT; the token that init printed needs no other"
            ))),
            None => Ok(()),
        }
    }
}

/// `u7s`, a version, a dot; a host may be called like that, but has a port behind.
fn is_one_string(target: &str) -> bool {
    let version = target.strip_prefix("u7s").and_then(|rest| rest.split_once('.')).map(|(version, _)| version);
    !target.contains(':') && version.is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
}

fn apply_token(config: &mut Config, token: &JoinToken) {
    let mut endpoints = token.endpoints.iter().map(ToString::to_string);
    let join = config.join.as_mut().expect("just made");
    join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
        token: token.token.to_secret().expose().to_owned(),
        api_server_endpoint: endpoints.next().unwrap_or_default(),
        ca_cert_hashes: vec![token.ca_cert_hash.to_string()],
        unsafe_skip_ca_verification: false,
    });
    config.rootless.additional_endpoints = endpoints.collect();
    config.rootless.ports.vxlan = token.vxlan_port;
    config.cluster.kubernetes_version.clone_from(&token.bundle.kubernetes_version);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_called_like_a_token() {
        assert!(is_one_string("u7s1.AG8BUVOE"));
        assert!(is_one_string("u7s12.x"));
        for host in ["u7sbox:6443", "u7s1.example.org:6443", "u7s.example.org", "u7sbox", "u7s1", "[u7s1.]:1", ""] {
            assert!(!is_one_string(host), "{host}");
        }
    }
}
