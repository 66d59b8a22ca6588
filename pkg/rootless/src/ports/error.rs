//! Errors of publishing ports.

use crate::protocol::BindFailure;
use nix::errno::Errno;
use std::io;
use usernetes_api::PortSpec;

/// A port could not be published or removed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another process of the host holds the port.
    #[error("port {} ({}) is in use{}", spec.host, spec.protocol, describe_owner(owner.as_ref()))]
    InUse {
        /// Port.
        spec: PortSpec,
        /// Process that holds it, if known.
        owner: Option<String>,
    },
    /// The port is below the limit for ordinary users.
    #[error("port {} ({}) is below what net.ipv4.ip_unprivileged_port_start allows", spec.host, spec.protocol)]
    Privileged {
        /// Port.
        spec: PortSpec,
    },
    /// The host has no such address.
    #[error("the host has no address {} to publish port {} ({}) on", spec.host.ip(), spec.host.port(), spec.protocol)]
    NoSuchAddress {
        /// Port.
        spec: PortSpec,
    },
    /// The kernel refused to bind for another reason.
    #[error("cannot bind {} ({})", spec.host, spec.protocol)]
    Bind {
        /// Port.
        spec: PortSpec,
        /// Underlying error.
        source: io::Error,
    },
    /// The socket could not be served.
    #[error("cannot forward {spec}")]
    Start {
        /// Port.
        spec: PortSpec,
        /// Underlying error.
        source: io::Error,
    },
    /// Another owner of the same node has published it.
    #[error("port {} ({}) is already published by {owner}", spec.host, spec.protocol)]
    OtherOwner {
        /// Port.
        spec: PortSpec,
        /// Owner.
        owner: String,
    },
    /// No such port is published.
    #[error("{spec} is not published")]
    NotPublished {
        /// Port.
        spec: PortSpec,
    },
    /// TCP needs both directions.
    #[error("{spec} cannot be a one-way relay, which is for udp only")]
    RelayOfTcp {
        /// Port.
        spec: PortSpec,
    },
}

impl PortError {
    pub(crate) fn from_bind(spec: PortSpec, failure: BindFailure) -> Self {
        match Errno::from_raw(failure.errno) {
            Errno::EADDRINUSE => Self::InUse { spec, owner: failure.owner },
            Errno::EACCES => Self::Privileged { spec },
            Errno::EADDRNOTAVAIL => Self::NoSuchAddress { spec },
            errno => Self::Bind { spec, source: errno.into() },
        }
    }

    /// The port that the error is about.
    pub fn spec(&self) -> &PortSpec {
        match self {
            Self::InUse { spec, .. }
            | Self::Privileged { spec }
            | Self::NoSuchAddress { spec }
            | Self::Bind { spec, .. }
            | Self::Start { spec, .. }
            | Self::OtherOwner { spec, .. }
            | Self::NotPublished { spec }
            | Self::RelayOfTcp { spec } => spec,
        }
    }

    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse { .. } => Some("stop the other program, or choose another port".to_owned()),
            Self::Privileged { spec } => {
                Some(format!("sudo sysctl -w net.ipv4.ip_unprivileged_port_start={}", spec.host.port()))
            }
            Self::NoSuchAddress { .. } => Some("ip address show".to_owned()),
            _ => None,
        }
    }
}

fn describe_owner(owner: Option<&String>) -> String {
    owner.map(|owner| format!(" by {owner}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_api::Protocol;

    #[test]
    fn messages_name_the_port_and_the_hint() {
        let host = "127.0.0.1:80".parse().expect("address");
        let spec = PortSpec { protocol: Protocol::Tcp, host, node: host };
        let error = |errno: Errno, owner: Option<&str>| {
            PortError::from_bind(spec, BindFailure { errno: errno as i32, owner: owner.map(str::to_owned) })
        };
        let busy = error(Errno::EADDRINUSE, Some("process 7 (nginx)"));
        insta::assert_snapshot!(busy, @"port 127.0.0.1:80 (tcp) is in use by process 7 (nginx)");
        let low = error(Errno::EACCES, None);
        insta::assert_snapshot!(low, @"port 127.0.0.1:80 (tcp) is below what net.ipv4.ip_unprivileged_port_start allows");
        insta::assert_snapshot!(low.hint().expect("a hint"), @"sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80");
        insta::assert_snapshot!(error(Errno::EADDRNOTAVAIL, None), @"the host has no address 127.0.0.1 to publish port 80 (tcp) on");
    }
}
