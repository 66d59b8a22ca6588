//! The CNI configuration: flannel's, with [`crate::cni_front`] in place of flannel's plugin.

use crate::cni_front;
use serde_json::json;

/// The text of [`super::CNI_FILE`]. flannel's plugin supports no CNI version above 0.4.0.
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
