//! Routes replies to clients' own addresses to the forwarder inside the node.
//!
//! A connection that starts from an address which is not the node's can only be the forwarder's (IP_TRANSPARENT).
//! Conntrack marks it. Its replies, from any process and after any translation, get the mark before they are routed, and
//! a routing table in which every address is local delivers them.

use super::nft::{self, NftError};
use crate::network::interfaces::{self, Action as _, InterfaceError};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute};
use rtnetlink::{Handle, RouteMessageBuilder};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use usernetes_api::constants::TAP_INTERFACE;
use usernetes_host::Reaper;

/// A single bit, next to those of other programs: kube-proxy uses 0x4000 and 0x8000, CNI plugins 0x2000.
const MARK: u32 = 0x0020_0000;
/// Routing table; far from the numbers that administrators and VPNs use.
const TABLE: u32 = 0x7573_6572;

/// The addresses of clients cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyRoutingError {
    /// The kernel refuses the socket option.
    #[error("the kernel refuses IP_TRANSPARENT: {0}")]
    Option(nix::Error),
    /// A socket could not be made.
    #[error("cannot make a socket: {0}")]
    Socket(io::Error),
    /// The routing table could not be changed.
    #[error(transparent)]
    Net(#[from] InterfaceError),
    /// The rules could not be made.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// Prepares the node's network. Call it once.
pub(crate) async fn set_up(nft: &Path, reaper: &Reaper) -> Result<(), ReplyRoutingError> {
    let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(ReplyRoutingError::Socket)?;
    setsockopt(&probe, sockopt::IpTransparent, &true).map_err(ReplyRoutingError::Option)?;
    interfaces::with_netlink(async |handle| add_routes(handle).await).await?;
    Ok(nft::add_rules(nft, &render_rules(), reaper).await?)
}

/// Routes marked packets of any address to this node.
async fn add_routes(handle: &Handle) -> Result<(), InterfaceError> {
    let lo = interfaces::find_index(handle, "lo").await?;
    let any = RouteMessageBuilder::<Ipv4Addr>::new().kind(RouteType::Local).scope(RouteScope::Host);
    let any = any.table_id(TABLE).output_interface(lo).build();
    handle.route().add(any).execute().await.with_action("make every address local for replies")?;
    let mut rule = handle.rule().add().v4().fw_mark(MARK).table_id(TABLE).action(RuleAction::ToTable);
    rule.message_mut().attributes.push(RuleAttribute::FwMask(MARK));
    rule.execute().await.with_action("route replies by their mark")
}

/// The chain `answers-out` is of type `route`, so that replies of the node's own processes are routed again after they
/// are marked. An ICMP error that would leave by the tap belongs to such a connection too, as when kube-proxy rejects
/// it: the network driver would ignore it.
fn render_rules() -> String {
    let answer = format!("ct direction reply ct mark and {MARK:#x} == {MARK:#x} meta mark set meta mark or {MARK:#x}");
    format!(
        "table ip usernetes-clients {{
  chain answers-out {{
    type route hook output priority mangle; policy accept;
    ct state new fib saddr type != local ct mark set ct mark or {MARK:#x}
    {answer}
    oifname \"{TAP_INTERFACE}\" icmp type destination-unreachable meta mark set meta mark or {MARK:#x}
  }}
  chain answers-in {{
    type filter hook prerouting priority mangle; policy accept;
    {answer}
  }}
}}
"
    )
}
