//! Refuses Services and pods that ask for ports of the node itself.
//!
//! The nodes do not depend on it: their NAT rules leave these ports alone. It refuses a request for one
//! at once, with the reason.

use super::manifest::Manifest;
use super::{Addon, Params, never_disabled};
use crate::Error;
use kube::api::DynamicObject;
use usernetes_api::ReservedPorts;

const MANIFEST: &str = include_str!("../../../../manifests/reserved-ports.yaml");
const RESERVED: &str = "/spec/variables/0/expression";

pub(super) const ADDON: Addon = Addon {
    name: "reserved-ports",
    short: "Install the admission policy for ports of the nodes",
    is_disabled: never_disabled,
    render: render_objects,
};

fn render_objects(params: &Params<'_>) -> Result<Vec<DynamicObject>, Error> {
    let Params { config, endpoint, .. } = params;
    let ports = &config.rootless.ports;
    let reserved = ReservedPorts::new([config.api_server_port(), endpoint.port], ports.kubelet, ports.vxlan);
    let reserved: Vec<_> =
        reserved.iter().map(|(protocol, port)| format!("\"{protocol}/{port}\"").to_uppercase()).collect();
    let mut manifest = Manifest::parse("reserved-ports", MANIFEST)?;
    manifest.set("ValidatingAdmissionPolicy", RESERVED, format!("[{}]", reserved.join(", ")))?;
    Ok(manifest.into_objects())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::tests::{configured, rendered};

    #[test]
    fn ports_of_the_cluster_are_listed() {
        let config = configured(|config| config.rootless.ports.kubelet = 11250);
        let yaml = rendered(&ADDON, "", "k8s.example:443", &config, false);
        let reserved: Vec<_> = yaml.lines().filter(|line| line.contains("TCP/")).collect();
        insta::assert_snapshot!(reserved[0].trim(), @r#"expression: '["TCP/443", "TCP/2379", "TCP/2380", "TCP/2381", "TCP/6443", "TCP/10248", "TCP/10249", "TCP/10256", "TCP/10257", "TCP/10259", "TCP/10261", "TCP/11250", "UDP/8472"]'"#);
    }
}
