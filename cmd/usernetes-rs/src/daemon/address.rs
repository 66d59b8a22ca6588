//! HOST_IP when the host loses it (DHCP): a worker moves to the new one, a control plane cannot.

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::{Context as _, Result};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;
use usernetes_api::Config;
use usernetes_host::env::{self, EnvError};
use usernetes_host::fs::{self, Mode};
use usernetes_host::{Level, checks};

/// An address, its route and the loss of the old one come one after the other.
pub(super) const SETTLE: Duration = Duration::from_secs(2);
/// Longest wait for the network at boot; below the unit's own limit of its start.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(90);

/// What became of HOST_IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Here,
    /// It is gone, and this one takes its place: the node was not told which to have, and there is no other.
    Moves(IpAddr),
    /// It is gone, and somebody has to do something.
    Stuck {
        /// What.
        cure: String,
    },
}

/// Looks at the host.
pub(crate) fn fate(session: &Session, config: &Config) -> Fate {
    let host_ip = config.host_ip();
    if checks::host_ip(host_ip).level != Level::Error {
        return Fate::Here;
    }
    decide(&session.cluster_flag(), config, env::routed_host_ip())
}

fn decide(flag: &str, config: &Config, now: Result<Option<IpAddr>, EnvError>) -> Fate {
    let old = config.host_ip();
    if config.join.is_none() {
        let cure = format!(
            "give this host {old} again (as root: ip address add {old}/PREFIX dev INTERFACE; a fixed lease on the DHCP \
             server keeps it): certificates, kubeconfigs, the kubeadm-config and cluster-info objects and every worker \
             name it. With another address it is another cluster: usernetes-rs{flag} reset and init here, then reset \
             and join on every worker"
        );
        return Fate::Stuck { cure };
    }
    match now {
        Ok(Some(new)) if config.state.host_ip_detected && new.is_ipv4() == old.is_ipv4() => Fate::Moves(new),
        Ok(Some(new)) => Fate::Stuck { cure: again(flag, &new.to_string()) },
        Ok(None) if config.state.host_ip_detected => {
            Fate::Stuck { cure: "give this host an address and a default route; the node moves there by itself".into() }
        }
        Ok(None) => Fate::Stuck { cure: format!("give this host an address; then {}", again(flag, "ADDRESS")) },
        Err(EnvError::AmbiguousHostIp { candidates }) => {
            let all: Vec<_> = candidates.iter().map(|c| format!("{} ({})", c.address, c.interface)).collect();
            Fate::Stuck { cure: format!("{}, one of {}", again(flag, "ADDRESS"), all.join(", ")) }
        }
        Err(error) => Fate::Stuck { cure: format!("{} ({error})", again(flag, "ADDRESS")) },
    }
}

fn again(flag: &str, address: &str) -> String {
    format!("usernetes-rs{flag} stop, then usernetes-rs{flag} start --host-ip {address}")
}

/// In words, for `status`, the log and an Event.
pub(crate) fn describe(config: &Config, fate: &Fate) -> Option<String> {
    let old = config.host_ip();
    match fate {
        Fate::Here => None,
        Fate::Moves(new) => Some(format!("{old} is no longer an address of this host: the node moves to {new}")),
        Fate::Stuck { cure } => Some(format!("{old} is no longer an address of this host; hint: {cure}")),
    }
}

/// At boot a user's services may start before the network is up. Returns when there is an address to start with, or
/// when none came in time: then [`settle`] says what is wrong.
pub(super) fn arrive(session: &Session, config: &Config) -> Result<()> {
    let look = async || match fate(session, config) {
        Fate::Stuck { .. } => ControlFlow::Continue(()),
        Fate::Here | Fate::Moves(_) => ControlFlow::Break(()),
    };
    let wait = usernetes_rootless::follow_host_network(SETTLE, look);
    let waited = crate::phases::runtime()?.block_on(async { tokio::time::timeout(ARRIVAL_LIMIT, wait).await });
    waited.unwrap_or(Ok(())).context("cannot watch this host's addresses")
}

/// Before the node starts: takes the new address over, or says what to do.
pub(super) fn settle(session: &Session, config: &mut Config) -> Result<()> {
    match fate(session, config) {
        Fate::Here => Ok(()),
        Fate::Moves(new) => {
            tracing::warn!(old = %config.host_ip(), %new, "HOST_IP has changed: the node starts under the new one");
            take(session, config, new, true)
        }
        Fate::Stuck { cure } => {
            Err(Hinted::new(format!("HOST_IP {} is no longer an address of this host", config.host_ip()), cure).into())
        }
    }
}

/// Keeps another HOST_IP; whatever starts next has it.
pub(crate) fn take(session: &Session, config: &mut Config, new: IpAddr, found: bool) -> Result<()> {
    config.move_host(new, found);
    Ok(fs::write(session.paths.config(), config.to_kept_yaml(), Mode::Secret)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        Config::parse_kept(std::path::Path::new("test"), yaml).expect("documents")
    }

    const WORKER: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n---\n";

    const DETECTED: &str = "---\napiVersion: usernetes.rs/v1alpha1\nkind: NodeState\nhostIPDetected: true\n";

    fn rootless(more: &str) -> String {
        format!("apiVersion: usernetes.rs/v1alpha1\nkind: RootlessConfiguration\nhostIP: 192.0.2.1\n{more}")
    }

    #[test]
    fn a_worker_moves_where_nothing_was_chosen() {
        let new = || Ok(Some([192, 0, 2, 9].into()));
        let found = config(&(WORKER.to_owned() + &rootless(DETECTED)));
        assert_eq!(decide("", &found, new()), Fate::Moves([192, 0, 2, 9].into()));
        assert_eq!(
            decide("", &found, Ok(Some("2001:db8::1".parse().expect("IPv6")))),
            Fate::Stuck { cure: "usernetes-rs stop, then usernetes-rs start --host-ip 2001:db8::1".into() }
        );
        let chosen = config(&(WORKER.to_owned() + &rootless("")));
        let stuck = decide(" --cluster a", &chosen, new());
        insta::assert_snapshot!(describe(&chosen, &stuck).expect("words"), @"192.0.2.1 is no longer an address of this host; hint: usernetes-rs --cluster a stop, then usernetes-rs --cluster a start --host-ip 192.0.2.9");
        insta::assert_snapshot!(describe(&chosen, &decide("", &chosen, Ok(None))).expect("words"), @"192.0.2.1 is no longer an address of this host; hint: give this host an address; then usernetes-rs stop, then usernetes-rs start --host-ip ADDRESS");
        insta::assert_snapshot!(describe(&found, &decide("", &found, Ok(None))).expect("words"), @"192.0.2.1 is no longer an address of this host; hint: give this host an address and a default route; the node moves there by itself");
    }

    #[test]
    fn a_control_plane_stays() {
        let first = config(&rootless(DETECTED));
        let stuck = decide("", &first, Ok(Some([192, 0, 2, 9].into())));
        let words = describe(&first, &stuck).expect("words");
        assert!(words.contains("ip address add 192.0.2.1/PREFIX") && words.contains("kubeadm-config"), "{words}");
    }

    #[test]
    fn what_follows_the_address_moves_with_it() {
        let mut config = config(&rootless(DETECTED));
        config.init.local_api_endpoint.advertise_address = config.rootless.host_ip;
        config.move_host([192, 0, 2, 9].into(), true);
        assert_eq!(config.init.local_api_endpoint.advertise_address, Some([192, 0, 2, 9].into()));
        assert_eq!(config.host_ip(), IpAddr::from([192, 0, 2, 9]));
    }
}
