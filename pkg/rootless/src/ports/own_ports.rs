//! Keeps connections to servers of the node itself away from NAT rules of Services and hostPorts.
//!
//! Of all NAT chains on a hook the first one that gives a new connection a destination decides; the kernel evaluates no
//! later one. So these chains come before those of kube-proxy and of CNI's portmap, and give such a connection the
//! destination that it has already. Addresses of their own for these servers would be no better: `externalIPs` of a
//! Service may name any address, and a hostPort takes its port on all of them.

use super::nft::{self, NftError};
use crate::spec::OwnPorts;
use ipnet::IpNet;
use std::path::Path;
use usernetes_host::Reaper;

/// Before `dstnat` (-100), the priority of kube-proxy and portmap.
const PRIORITY: i32 = -120;

/// Makes the rules. Call it before anything else makes NAT rules.
pub(crate) async fn exempt_from_nat(nft: &Path, own: &OwnPorts, reaper: &Reaper) -> Result<(), NftError> {
    let Some(rules) = render_rules(own) else { return Ok(()) };
    nft::add_rules(nft, &rules, reaper).await
}

/// Pods reach these ports at addresses of the node; processes of the node also at other nodes, such as the API server's
/// port on the control plane. Addresses of Services stay as they are. `None` without IPv4, as pods have no other family.
fn render_rules(own: &OwnPorts) -> Option<String> {
    let IpNet::V4(services) = own.services else { return None };
    let ports: Vec<_> = own.ports.iter().map(|(protocol, port)| format!("{protocol} . {port}")).collect();
    let keep = format!("meta l4proto . th dport {{ {} }} dnat to ip daddr", ports.join(", "));
    Some(format!(
        "table ip usernetes-own-ports {{
  chain prerouting {{
    type nat hook prerouting priority {PRIORITY}; policy accept;
    fib daddr type local {keep}
  }}
  chain output {{
    type nat hook output priority {PRIORITY}; policy accept;
    ip daddr != {services} {keep}
  }}
}}
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_api::Protocol;

    #[test]
    fn rules() {
        let ports = [(Protocol::Tcp, 6443), (Protocol::Udp, 8472)].into();
        let mut own = OwnPorts { ports, services: "10.96.0.0/12".parse().expect("a range") };
        insta::assert_snapshot!(render_rules(&own).expect("rules"), @r"
        table ip usernetes-own-ports {
          chain prerouting {
            type nat hook prerouting priority -120; policy accept;
            fib daddr type local meta l4proto . th dport { tcp . 6443, udp . 8472 } dnat to ip daddr
          }
          chain output {
            type nat hook output priority -120; policy accept;
            ip daddr != 10.96.0.0/12 meta l4proto . th dport { tcp . 6443, udp . 8472 } dnat to ip daddr
          }
        }
        ");
        own.services = "fd00::/108".parse().expect("a range");
        assert_eq!(render_rules(&own), None);
    }
}
