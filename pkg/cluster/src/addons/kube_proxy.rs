//! Services.

use super::manifest::{IMAGE, Manifest};
use super::{Addon, Params};
use crate::Error;
use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};
use serde_yaml::Mapping;
use usernetes_api::merge_yaml;

const MANIFEST: &str = include_str!("../../../../manifests/kube-proxy.yaml");
const CONFIG: &str = "/data/config.conf";
const KUBECONFIG: &str = "/data/kubeconfig.conf";
/// Namespace of the DaemonSet.
pub const NAMESPACE: &str = "kube-system";
/// Name of the DaemonSet.
pub const DAEMON_SET: &str = "kube-proxy";

pub(super) const ADDON: Addon = Addon {
    name: "kube-proxy",
    short: "Install the kube-proxy addon",
    is_disabled: |config| config.cluster.proxy.disabled,
    render: render_objects,
};

/// Proxy mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// nftables, which needs no iptables at all.
    #[default]
    Nftables,
    /// iptables.
    Iptables,
}

impl Mode {
    /// The mode of the user's `KubeProxyConfiguration`, nftables where it has none.
    pub fn from_overrides(overrides: Option<&Mapping>) -> Self {
        match overrides.and_then(|mapping| mapping.get("mode")).and_then(serde_yaml::Value::as_str) {
            Some("iptables") => Self::Iptables,
            _ => Self::Nftables,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

fn render_objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("kube-proxy", MANIFEST)?;
    let kubeconfig = manifest.text("ConfigMap", KUBECONFIG)?;
    let mut kubeconfig: Value = serde_yaml::from_str(kubeconfig).map_err(manifest_error)?;
    kubeconfig["clusters"][0]["cluster"]["server"] = params.endpoint.url().into();
    manifest
        .set("DaemonSet", IMAGE, params.find_image("kube-proxy")?)?
        .set("ConfigMap", KUBECONFIG, to_yaml(&kubeconfig)?)?
        .set("ConfigMap", CONFIG, to_yaml(&proxy_configuration(params))?)?;
    Ok(manifest.into_objects())
}

/// Our `KubeProxyConfiguration` with the fields of the user's, which win.
fn proxy_configuration(params: &Params<'_>) -> Mapping {
    let overrides = params.config.kube_proxy.as_ref();
    let mut config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": Mode::from_overrides(overrides).name(),
        "clusterCIDR": params.config.cluster.networking.pod_subnet,
        "clientConnection": { "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf" },
        // A child network namespace may not change any of these. 0 leaves them alone; without it kube-proxy exits.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    });
    if params.masquerade_all {
        config["iptables"] = json!({ "masqueradeAll": true });
        config["nftables"] = json!({ "masqueradeAll": true });
    }
    let Ok(serde_yaml::Value::Mapping(mut config)) = serde_yaml::to_value(config) else {
        unreachable!("a JSON object is a mapping")
    };
    if let Some(overrides) = overrides {
        merge_yaml(&mut config, overrides);
    }
    config
}

fn to_yaml(value: &impl Serialize) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(manifest_error)
}

fn manifest_error(error: serde_yaml::Error) -> Error {
    Error::Manifest { name: "kube-proxy", message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{configured, rendered};
    use super::*;
    use usernetes_api::Config;

    fn overridden(overrides: &str) -> Config {
        let overrides = serde_yaml::from_str(overrides).expect("YAML");
        configured(|config| config.kube_proxy = Some(overrides))
    }

    fn objects(config: &Config, masquerade_all: bool) -> String {
        rendered(&ADDON, "registry.k8s.io/kube-proxy:v1.36.3", "[2001:db8::1]:7443", config, masquerade_all)
    }

    #[test]
    fn nftables() {
        insta::assert_snapshot!(objects(&configured(|_| ()), false));
    }

    #[test]
    fn iptables() {
        insta::assert_snapshot!(objects(&overridden("mode: iptables"), true));
    }

    #[test]
    fn the_users_fields_win() {
        let config = overridden("conntrack: {min: 7}\nnftables: {syncPeriod: 3s}\nmode: nftables");
        let endpoint = "[2001:db8::1]:7443".parse().expect("an endpoint");
        let params = Params { config: &config, endpoint: &endpoint, image: &|_| None, masquerade_all: true };
        let merged = to_yaml(&proxy_configuration(&params)).expect("YAML");
        insta::assert_snapshot!(merged, @r"
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        kind: KubeProxyConfiguration
        mode: nftables
        clusterCIDR: 10.244.0.0/16
        clientConnection:
          kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
        conntrack:
          maxPerCore: 0
          min: 7
          tcpEstablishedTimeout: 0s
          tcpCloseWaitTimeout: 0s
        iptables:
          masqueradeAll: true
        nftables:
          masqueradeAll: true
          syncPeriod: 3s
        ");
    }

    #[test]
    fn modes() {
        let cases = [
            ("mode: iptables", Mode::Iptables),
            ("mode: nftables", Mode::Nftables),
            ("bindAddress: 0.0.0.0", Mode::Nftables),
        ];
        for (text, mode) in cases {
            let overrides = serde_yaml::from_str(text).expect("YAML");
            assert_eq!(Mode::from_overrides(Some(&overrides)), mode, "{text}");
        }
        assert_eq!(Mode::from_overrides(None), Mode::Nftables);
    }
}
