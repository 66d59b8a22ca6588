//! The cluster to join: a join token, `HOST:PORT` with kubeadm's flags, or a file.

use super::JoinArgs;
use crate::cli::args::expose_token;
use crate::errors::{Hinted, UsageError};
use crate::output::print_error;
use anyhow::{Context as _, Result};
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use usernetes_api::{BootstrapTokenDiscovery, Config, FileDiscovery};
use usernetes_pki::JoinToken;

/// Where to get a target.
const TARGET_HINT: &str = "on the control-plane host, usernetes-rs token create prints the token for usernetes-rs join -; where \
                       kubeadm made the cluster, kubeadm token create --print-join-command prints HOST:PORT with its flags";
/// Longest target in bytes.
const MAX_TARGET_BYTES: u64 = 64 * 1024;

impl JoinArgs {
    pub(super) fn apply_discovery(&self, config: &mut Config) -> Result<Option<JoinToken>> {
        let join = config.join.as_mut().expect("just made");
        join.skip_phases.extend(self.skip_phases.iter().cloned());
        if let Some(path) = &self.discovery_file {
            join.discovery.file = Some(FileDiscovery { kube_config_path: path.clone() });
        }
        // As kubeadm: where discovery needs no token, --token is the one of the TLS bootstrap.
        let token = self.token.as_ref().filter(|_| self.discovery_file.is_some());
        if let Some(token) = self.tls_bootstrap_token.as_ref().or(token) {
            token.to_secret().expose().clone_into(&mut join.discovery.tls_bootstrap_token);
        }
        let Some(target) = self.read_target()? else { return Ok(None) };
        if is_join_token(&target) {
            self.refuse_flags()?;
            let token: JoinToken = target.parse().map_err(UsageError::JoinToken)?;
            apply_join_token(config, &token);
            return Ok(Some(token));
        }
        self.require_flags(&target)?;
        config.rootless.additional_endpoints.clear();
        join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
            token: expose_token(self.token.as_ref()),
            api_server_endpoint: target,
            ca_cert_hashes: self.discovery_token_ca_cert_hash.clone(),
            unsafe_skip_ca_verification: self.discovery_token_unsafe_skip_ca_verification,
        });
        Ok(None)
    }

    /// The target. A token from standard input is not shown in a list of processes.
    fn read_target(&self) -> Result<Option<String>> {
        if self.target.as_deref() != Some("-") {
            return Ok(self.target.clone());
        }
        let text = if std::io::stdin().is_terminal() { prompt_target()? } else { read_input()? };
        let text = text.trim();
        if text.is_empty() {
            let hint = "usernetes-rs token create | ssh HOST usernetes-rs join -";
            return Err(Hinted::new("no token came on standard input", hint).into());
        }
        Ok(Some(text.to_owned()))
    }

    /// `HOST:PORT` needs a token and a pin. The message does not repeat the target: it may be a token without its beginning.
    fn require_flags(&self, target: &str) -> Result<(), UsageError> {
        if !target.contains(':') {
            let message = "the target is neither a join token, which begins with u7s1., nor HOST:PORT";
            return Err(UsageError::Target { message: message.into(), hint: TARGET_HINT });
        }
        let pinned = !self.discovery_token_ca_cert_hash.is_empty() || self.discovery_token_unsafe_skip_ca_verification;
        let missing = match (self.token.is_some(), pinned) {
            (true, true) => return Ok(()),
            (true, false) => "--discovery-token-ca-cert-hash sha256:HEX",
            (false, true) => "--token ID.SECRET",
            (false, false) => "--token ID.SECRET and --discovery-token-ca-cert-hash sha256:HEX",
        };
        Err(UsageError::Target { message: format!("join HOST:PORT requires {missing}"), hint: TARGET_HINT })
    }

    /// A join token has a secret and a pin of its own; flags beside it would have no effect.
    fn refuse_flags(&self) -> Result<(), UsageError> {
        let given = [
            (self.token.is_some(), "--token (or USERNETES_TOKEN)"),
            (!self.discovery_token_ca_cert_hash.is_empty(), "--discovery-token-ca-cert-hash"),
            (self.discovery_token_unsafe_skip_ca_verification, "--discovery-token-unsafe-skip-ca-verification"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(UsageError::Flags(format!("{flag} is for HOST:PORT; a join token has its own"))),
            None => Ok(()),
        }
    }
}

fn read_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().take(MAX_TARGET_BYTES).read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// Asks for the token on the terminal, without echo.
fn prompt_target() -> Result<String> {
    let terminal = std::io::stdin();
    print_error("Join token (not shown):");
    let shown = termios::tcgetattr(&terminal).context("cannot read the mode of the terminal")?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    termios::tcsetattr(&terminal, SetArg::TCSANOW, &hidden).context("cannot change the mode of the terminal")?;
    let mut text = String::new();
    let read = terminal.lock().take(MAX_TARGET_BYTES).read_line(&mut text);
    termios::tcsetattr(&terminal, SetArg::TCSANOW, &shown).context("cannot change the mode of the terminal")?;
    read.context("cannot read the terminal")?;
    Ok(text)
}

/// `u7s`, a version, a dot. A host can have such a name, but has a port behind it.
fn is_join_token(target: &str) -> bool {
    let version = target.strip_prefix("u7s").and_then(|rest| rest.split_once('.')).map(|(version, _)| version);
    !target.contains(':') && version.is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
}

fn apply_join_token(config: &mut Config, token: &JoinToken) {
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
    fn a_host_name_can_look_like_a_token() {
        assert!(is_join_token("u7s1.AG8BUVOE"));
        assert!(is_join_token("u7s12.x"));
        for host in ["u7sbox:6443", "u7s1.example.org:6443", "u7s.example.org", "u7sbox", "u7s1", "[u7s1.]:1", ""] {
            assert!(!is_join_token(host), "{host}");
        }
    }
}
