//! `network`: how the traffic of a node leaves its network namespace.

use crate::constants;
use crate::validate::Errors;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the traffic of a node leaves its network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkOptions {
    /// Program that carries the tap's traffic.
    pub driver: NetworkDriver,
    /// Range of the tap. The driver gives the node, its gateway and its resolver addresses of it. One that the host does
    /// not use is chosen if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Ipv4Net>,
    /// MTU of the tap in bytes.
    pub mtu: u32,
}

/// Program that carries the traffic of the tap interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkDriver {
    /// slirp4netns.
    #[default]
    Slirp4netns,
}

/// Values of [`NetworkOptions`] that a network driver supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Smallest MTU of the tap in bytes.
    pub min_mtu: u32,
    /// Largest MTU of the tap in bytes.
    pub max_mtu: u32,
    /// Longest prefix of the tap's range that holds all addresses of the driver.
    pub max_prefix: u8,
}

impl NetworkDriver {
    /// Every driver.
    pub const ALL: [Self; 1] = [Self::Slirp4netns];

    /// Name of the driver, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// Limits of the driver.
    pub fn limits(self) -> NetworkLimits {
        match self {
            // IPv6 needs an MTU of 1280; the node has the range's .100.
            Self::Slirp4netns => NetworkLimits { min_mtu: 1280, max_mtu: 65521, max_prefix: 25 },
        }
    }
}

impl fmt::Display for NetworkDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self { driver: NetworkDriver::default(), cidr: None, mtu: 65520 }
    }
}

impl NetworkOptions {
    /// Range of the tap, the default one while none is chosen.
    pub fn tap_range(&self) -> Ipv4Net {
        self.cidr.unwrap_or_else(|| constants::TAP_CIDRS[0].parse().expect("a constant"))
    }

    /// Adds what is wrong with a field on its own.
    pub(crate) fn validate(&self, errors: &mut Errors) {
        let NetworkLimits { min_mtu, max_mtu, max_prefix } = self.driver.limits();
        errors.require((min_mtu..=max_mtu).contains(&self.mtu), "network.mtu", || {
            format!("{} is outside {min_mtu} to {max_mtu}", self.mtu)
        });
        let range = self.tap_range();
        errors.require(range.prefix_len() <= max_prefix, "network.cidr", || {
            format!("{range} is too small; the tap needs a /{max_prefix} or more")
        });
    }
}
