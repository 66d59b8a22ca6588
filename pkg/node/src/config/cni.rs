//! The CNI configuration: flannel's own, with our front plugin in the place of flannel's.

use crate::cni_front;
use serde_json::json;

/// `/etc/cni/net.d/10-flannel.conflist`; flannel's plugin knows no version above 0.4.0.
pub fn render_cni() -> String {
    let config = json!({
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {
                "type": cni_front::PROGRAM_NAME,
                "delegate": { "hairpinMode": true, "isDefaultGateway": true },
            },
            // iptables, its default, would need the host's program and may not fit the images' flavour.
            { "type": "portmap", "backend": "nftables", "capabilities": { "portMappings": true } },
        ],
    });
    format!("{config:#}\n")
}
