//! The addons that `init phase addon` applies: manifests of the repository with this cluster's values in them.
//!
//! An addon is a manifest in `manifests/`, a file here that fills in its values, and a row of [`ADDONS`]. Values are set in
//! parsed documents, never pasted into text. Objects of several addons can be applied in one go by
//! [`Cluster::apply`](crate::Cluster::apply).

pub mod coredns;
pub mod flannel;
pub mod kube_proxy;
pub(crate) mod manifest;
mod network_policies;
mod reserved_ports;
mod user_namespaces;

use crate::Error;
use kube::api::DynamicObject;
use std::fmt;
use usernetes_api::Config;
use usernetes_pki::Endpoint;

/// Every addon, in the order in which they are listed and applied.
pub const ADDONS: &[Addon] = &[
    flannel::ADDON,
    kube_proxy::ADDON,
    coredns::ADDON,
    user_namespaces::ADDON,
    reserved_ports::ADDON,
    network_policies::ADDON,
];

/// One addon.
#[derive(Clone, Copy)]
pub struct Addon {
    /// Name in `init phase addon NAME`.
    pub name: &'static str,
    /// Help line.
    pub short: &'static str,
    /// Whether the configuration leaves it out, as `dns.disabled` does.
    is_disabled: fn(&Config) -> bool,
    render: fn(&Params<'_>) -> Result<Vec<DynamicObject>, Error>,
}

/// The values of one cluster.
#[derive(Clone, Copy)]
pub struct Params<'a> {
    /// Validated configuration, with defaults.
    pub config: &'a Config,
    /// API endpoint that every node reaches.
    pub endpoint: &'a Endpoint,
    /// Reference of an image of the bundle by its name there, such as `coredns`.
    pub image: &'a dyn Fn(&str) -> Option<String>,
    /// Whether kube-proxy masquerades every connection to a Service. This is needed where bridged traffic does not pass
    /// netfilter (`bridge-nf-call-iptables` is 0), and hides the client's address.
    pub masquerade_all: bool,
}

impl Addon {
    /// Whether the configuration wants it.
    pub fn is_enabled(&self, config: &Config) -> bool {
        !(self.is_disabled)(config)
    }

    /// Its objects. Fails where the bundle lacks its image, or where the user's part of the configuration does not fit.
    pub fn render(&self, params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
        (self.render)(params)
    }
}

impl fmt::Debug for Addon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addon").field(&self.name).finish()
    }
}

impl Params<'_> {
    fn find_image(&self, name: &'static str) -> Result<String, Error> {
        (self.image)(name).ok_or(Error::NoImage { name })
    }
}

/// For addons that no field of the configuration leaves out.
fn never_disabled(_: &Config) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_api::HostFacts;

    /// A configuration with the documents of `yaml`, and defaults.
    pub(super) fn configured(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config.set_defaults(&HostFacts {
            hostname: "one".to_owned(),
            host_ip: "198.51.100.11".parse().ok(),
            ..HostFacts::default()
        });
        config
    }

    /// All objects of an addon as YAML.
    pub(super) fn rendered(
        addon: &Addon,
        image: &str,
        endpoint: &str,
        config: &Config,
        masquerade_all: bool,
    ) -> String {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        let image = |_: &str| Some(image.to_owned());
        let params = Params { config, endpoint: &endpoint, image: &image, masquerade_all };
        manifest::to_yaml(&addon.render(&params).expect("a good manifest"))
    }

    #[test]
    fn every_addon_is_a_row() {
        let names: Vec<_> = ADDONS.iter().map(|addon| addon.name).collect();
        assert_eq!(
            names,
            ["flannel", "kube-proxy", "coredns", "user-namespaces", "reserved-ports", "network-policies"]
        );
        let disabled = configured(|config| {
            config.cluster.dns.disabled = true;
            config.cluster.proxy.disabled = true;
        });
        let enabled: Vec<_> =
            ADDONS.iter().filter(|addon| addon.is_enabled(&disabled)).map(|addon| addon.name).collect();
        assert_eq!(enabled, ["flannel", "user-namespaces", "reserved-ports", "network-policies"]);
    }

    #[test]
    fn a_missing_image_is_named() {
        let endpoint = Endpoint { host: "198.51.100.11".to_owned(), port: 6443 };
        let config = configured(|_| ());
        let params = Params { config: &config, endpoint: &endpoint, image: &|_| None, masquerade_all: false };
        let error = coredns::ADDON.render(&params).expect_err("no image");
        assert_eq!(error.to_string(), "the bundle has no image coredns");
        assert!(error.hint().is_some());
    }
}
