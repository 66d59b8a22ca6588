//! Services.

use super::manifest::{IMAGE, Manifest};
use crate::Error;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use serde_yaml::Mapping;
use usernetes_pki::Endpoint;

const MANIFEST: &str = include_str!("../../../../manifests/kube-proxy.yaml");
const CONFIG: &str = "/data/config.conf";
const KUBECONFIG: &str = "/data/kubeconfig.conf";
/// Namespace of the DaemonSet.
pub const NAMESPACE: &str = "kube-system";
/// Name of the DaemonSet.
pub const DAEMON_SET: &str = "kube-proxy";

/// How kube-proxy works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// nftables: needs no iptables at all.
    #[default]
    Nftables,
    /// iptables.
    Iptables,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    /// Reference of the image.
    pub image: &'a str,
    /// API endpoint that every node reaches.
    pub endpoint: &'a Endpoint,
    /// Range of all pods.
    pub pod_subnet: &'a str,
    /// Masquerades every connection to a Service: needed where bridged traffic does not pass netfilter
    /// (`bridge-nf-call-iptables` is 0), at the price of the client's address.
    pub masquerade_all: bool,
    /// The user's `KubeProxyConfiguration`, laid over ours.
    pub overrides: Option<&'a Mapping>,
}

/// The mode that a configuration asks for: that of the user's document, nftables where it says nothing.
pub fn mode(overrides: Option<&Mapping>) -> Mode {
    match overrides.and_then(|mapping| mapping.get("mode")).and_then(serde_yaml::Value::as_str) {
        Some("iptables") => Mode::Iptables,
        _ => Mode::Nftables,
    }
}

/// The objects of the addon.
pub fn objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let mut manifest = Manifest::parse("kube-proxy", MANIFEST)?;
    let mut kubeconfig: Value = from_yaml(manifest.text("ConfigMap", KUBECONFIG)?)?;
    kubeconfig["clusters"][0]["cluster"]["server"] = params.endpoint.url().into();
    manifest.set("DaemonSet", IMAGE, params.image)?.set("ConfigMap", KUBECONFIG, to_yaml(&kubeconfig)?)?.set(
        "ConfigMap",
        CONFIG,
        to_yaml(&configuration(params)?)?,
    )?;
    Ok(manifest.into_objects())
}

fn configuration(params: &Params<'_>) -> Result<Value, Error> {
    let mut config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": mode(params.overrides).name(),
        "clusterCIDR": params.pod_subnet,
        "clientConnection": { "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf" },
        // A child network namespace may not change any of them; 0 leaves them alone, and kube-proxy exits otherwise.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    });
    if params.masquerade_all {
        config["iptables"] = json!({ "masqueradeAll": true });
        config["nftables"] = json!({ "masqueradeAll": true });
    }
    if let Some(overrides) = params.overrides {
        lay_over(&mut config, serde_json::to_value(overrides).map_err(wrong)?);
    }
    Ok(config)
}

/// Mappings are joined field by field, everything else is replaced.
fn lay_over(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn from_yaml(text: &str) -> Result<Value, Error> {
    serde_yaml::from_str(text).map_err(wrong)
}

fn to_yaml(value: &Value) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(wrong)
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::Manifest { name: "kube-proxy", message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::manifest::render;

    fn rendered(masquerade_all: bool, overrides: Option<&str>) -> Vec<DynamicObject> {
        let overrides: Option<Mapping> = overrides.map(|text| serde_yaml::from_str(text).expect("YAML"));
        let params = Params {
            image: "registry.k8s.io/kube-proxy:v1.36.3",
            endpoint: &Endpoint { host: "2001:db8::1".to_owned(), port: 7443 },
            pod_subnet: "10.244.0.0/16",
            masquerade_all,
            overrides: overrides.as_ref(),
        };
        objects(&params).expect("a good manifest")
    }

    fn config(objects: &[DynamicObject]) -> &str {
        let map = objects.iter().find(|o| o.types.as_ref().is_some_and(|t| t.kind == "ConfigMap"));
        map.and_then(|o| o.data.pointer(CONFIG)?.as_str()).expect("config.conf")
    }

    #[test]
    fn nftables() {
        insta::assert_snapshot!(render(&rendered(false, None)));
    }

    #[test]
    fn iptables() {
        insta::assert_snapshot!(render(&rendered(true, Some("mode: iptables"))));
    }

    #[test]
    fn the_users_fields_win() {
        let objects = rendered(true, Some("conntrack: {min: 7}\nnftables: {syncPeriod: 3s}\nmode: nftables"));
        insta::assert_snapshot!(config(&objects), @r"
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
        let of = |text: &str| mode(Some(&serde_yaml::from_str(text).expect("YAML")));
        assert_eq!(mode(None), Mode::Nftables);
        assert_eq!(of("mode: iptables"), Mode::Iptables);
        assert_eq!(of("mode: nftables"), Mode::Nftables);
        assert_eq!(of("bindAddress: 0.0.0.0"), Mode::Nftables);
    }
}
