//! HOST_IP when the host loses it (DHCP): a worker moves to the new address, a control plane cannot.

mod watch;

pub(crate) use watch::{PendingHostIp, spawn_watcher};

use crate::{DaemonError, Instance, runtime};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;
use usernetes_api::Config;
use usernetes_host::env::{self, EnvError};
use usernetes_host::{Level, checks};

/// An address, its route and the loss of the old one come one after the other.
const SETTLE: Duration = Duration::from_secs(2);
/// Longest wait for the network at boot; below the limit of the unit's start.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// Whether HOST_IP is an address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostIpState {
    /// It is.
    Present,
    /// It is gone. The node may use this one: HOST_IP was not chosen by the user, and there is one candidate.
    Moved(IpAddr),
    /// It is gone and manual action is needed.
    Lost {
        /// What to do.
        hint: String,
    },
}

/// Compares the configuration with the host's addresses.
pub fn host_ip_state(instance: &Instance, config: &Config) -> HostIpState {
    let host_ip = config.host_ip();
    if checks::host_ip(host_ip).level != Level::Error {
        return HostIpState::Present;
    }
    resolve_lost(&instance.cluster_flag(), config, env::routed_host_ip())
}

fn resolve_lost(flag: &str, config: &Config, candidate: Result<Option<IpAddr>, EnvError>) -> HostIpState {
    let old = config.host_ip();
    if config.join.is_none() {
        let hint = format!(
            "restore {old} on this host (as root: ip address add {old}/PREFIX dev INTERFACE; a DHCP reservation keeps it): \
             certificates, kubeconfigs, the kubeadm-config and cluster-info objects and every worker name it. With another \
             address it is another cluster: usernetes-rs{flag} reset and init here, then reset and join on every worker"
        );
        return HostIpState::Lost { hint };
    }
    match candidate {
        Ok(Some(new)) if config.state.host_ip_detected && new.is_ipv4() == old.is_ipv4() => HostIpState::Moved(new),
        Ok(Some(new)) => HostIpState::Lost { hint: restart_hint(flag, &new.to_string()) },
        Ok(None) if config.state.host_ip_detected => HostIpState::Lost {
            hint: "give this host an address and a default route; the node then moves by itself".into(),
        },
        Ok(None) => {
            HostIpState::Lost { hint: format!("give this host an address; then {}", restart_hint(flag, "ADDRESS")) }
        }
        Err(EnvError::AmbiguousHostIp { candidates } | EnvError::HostIpBehindNat { candidates, .. }) => {
            let all: Vec<_> = candidates.iter().map(|c| format!("{} ({})", c.address, c.interface)).collect();
            HostIpState::Lost { hint: format!("{}, one of {}", restart_hint(flag, "ADDRESS"), all.join(", ")) }
        }
        Err(error) => HostIpState::Lost { hint: format!("{} ({error})", restart_hint(flag, "ADDRESS")) },
    }
}

fn restart_hint(flag: &str, address: &str) -> String {
    format!("usernetes-rs{flag} stop, then usernetes-rs{flag} start --host-ip {address}")
}

/// The state in words, for `status`, the log and an Event; `None` when the address is present.
pub fn describe_loss(config: &Config, state: &HostIpState) -> Option<String> {
    let old = config.host_ip();
    match state {
        HostIpState::Present => None,
        HostIpState::Moved(new) => Some(format!("{old} is no longer an address of this host: the node moves to {new}")),
        HostIpState::Lost { hint } => Some(format!("{old} is no longer an address of this host; hint: {hint}")),
    }
}

/// At boot the user's services may start before the network is up. Returns when there is an address to start with, or after
/// the limit: [`reconcile_host_ip`] then reports what is wrong.
pub(crate) fn wait_for_host_ip(instance: &Instance, config: &Config) -> Result<(), DaemonError> {
    let look = async || match host_ip_state(instance, config) {
        HostIpState::Lost { .. } => ControlFlow::Continue(()),
        HostIpState::Present | HostIpState::Moved(_) => ControlFlow::Break(()),
    };
    let wait = usernetes_rootless::follow_host_network(SETTLE, look);
    let waited = runtime()?.block_on(async { tokio::time::timeout(BOOT_LIMIT, wait).await });
    waited.unwrap_or(Ok(())).map_err(|source| DaemonError::Io { action: "watch the addresses of this host", source })
}

/// Before the node starts: keeps the new address, or fails with what to do.
pub(crate) fn reconcile_host_ip(instance: &Instance, config: &mut Config) -> Result<(), DaemonError> {
    match host_ip_state(instance, config) {
        HostIpState::Present => Ok(()),
        HostIpState::Moved(new) => {
            tracing::warn!(old = %config.host_ip(), %new, "HOST_IP has changed: the node starts with the new address");
            store_host_ip(instance, config, new, true)
        }
        HostIpState::Lost { hint } => Err(DaemonError::HostIpLost { host_ip: config.host_ip(), hint }),
    }
}

/// Keeps another HOST_IP for the next start; `detected` when it was found and not chosen by the user.
pub fn store_host_ip(instance: &Instance, config: &mut Config, new: IpAddr, detected: bool) -> Result<(), DaemonError> {
    config.move_host(new, detected);
    instance.keep_config(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        Config::parse_kept(std::path::Path::new("test"), yaml).expect("documents")
    }

    const DETECTED: &str = "---\napiVersion: usernetes.rs/v1alpha1\nkind: NodeState\nhostIPDetected: true\n";
    const WORKER: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n---\n";

    fn rootless(more: &str) -> String {
        format!("apiVersion: usernetes.rs/v1alpha1\nkind: RootlessConfiguration\nhostIP: 192.0.2.1\n{more}")
    }

    fn loss(config: &Config, state: &HostIpState) -> String {
        describe_loss(config, state).expect("a loss")
    }

    #[test]
    fn a_worker_moves_unless_its_address_was_chosen() {
        let new = || Ok(Some([192, 0, 2, 9].into()));
        let found = config(&(WORKER.to_owned() + &rootless(DETECTED)));
        assert_eq!(resolve_lost("", &found, new()), HostIpState::Moved([192, 0, 2, 9].into()));
        assert_eq!(
            resolve_lost("", &found, Ok(Some("2001:db8::1".parse().expect("IPv6")))),
            HostIpState::Lost { hint: "usernetes-rs stop, then usernetes-rs start --host-ip 2001:db8::1".into() }
        );
        let chosen = config(&(WORKER.to_owned() + &rootless("")));
        let lost = resolve_lost(" --cluster a", &chosen, new());
        insta::assert_snapshot!(loss(&chosen, &lost), @"192.0.2.1 is no longer an address of this host; hint: usernetes-rs --cluster a stop, then usernetes-rs --cluster a start --host-ip 192.0.2.9");
        insta::assert_snapshot!(loss(&chosen, &resolve_lost("", &chosen, Ok(None))), @"192.0.2.1 is no longer an address of this host; hint: give this host an address; then usernetes-rs stop, then usernetes-rs start --host-ip ADDRESS");
        insta::assert_snapshot!(loss(&found, &resolve_lost("", &found, Ok(None))), @"192.0.2.1 is no longer an address of this host; hint: give this host an address and a default route; the node then moves by itself");
    }

    #[test]
    fn a_control_plane_keeps_its_address() {
        let first = config(&rootless(DETECTED));
        let words = loss(&first, &resolve_lost("", &first, Ok(Some([192, 0, 2, 9].into()))));
        assert!(words.contains("ip address add 192.0.2.1/PREFIX") && words.contains("kubeadm-config"), "{words}");
    }

    #[test]
    fn the_advertised_address_moves_with_host_ip() {
        let mut config = config(&rootless(DETECTED));
        config.init.local_api_endpoint.advertise_address = config.rootless.host_ip;
        config.move_host([192, 0, 2, 9].into(), true);
        assert_eq!(config.init.local_api_endpoint.advertise_address, Some([192, 0, 2, 9].into()));
        assert_eq!(config.host_ip(), IpAddr::from([192, 0, 2, 9]));
    }
}
