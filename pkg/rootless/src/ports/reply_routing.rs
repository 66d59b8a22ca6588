//! Answers to clients' own addresses stay in the node, where the forwarder's connection waits for them.
//!
//! A connection that starts from an address which is not the node's can only be the forwarder's (IP_TRANSPARENT).
//! Conntrack remembers it by a mark. Its answers, whoever gives them and however they were translated, get that mark
//! before they are routed, and a routing table in which every address is local takes them.

use crate::network::interfaces::{self, InterfaceError, What as _};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute};
use rtnetlink::{Handle, RouteMessageBuilder};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use usernetes_api::constants::TAP_INTERFACE;
use usernetes_host::Reaper;
use usernetes_host::process::Exit;

/// One bit, so that others can have theirs: kube-proxy has 0x4000 and 0x8000, CNI plugins 0x2000.
const MARK: u32 = 0x0020_0000;
/// Beyond the numbers that people and VPNs like.
const TABLE: u32 = 0x7573_6572;

/// Why clients' addresses cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyRoutingError {
    /// The socket option.
    #[error("the kernel refuses IP_TRANSPARENT: {0}")]
    Option(nix::Error),
    /// No socket at all.
    #[error("cannot make a socket: {0}")]
    Socket(io::Error),
    /// The routing table.
    #[error(transparent)]
    Net(#[from] InterfaceError),
    /// The program that sets the rules could not be started.
    #[error("cannot run nft: {0}")]
    Start(io::Error),
    /// It failed; its own words are in the log.
    #[error("nft ended with {0}")]
    Rules(Exit),
}

/// Prepares the node's network. To be done once.
pub(crate) async fn keep(nft: &Path, reaper: &Reaper) -> Result<(), ReplyRoutingError> {
    let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(ReplyRoutingError::Socket)?;
    setsockopt(&probe, sockopt::IpTransparent, &true).map_err(ReplyRoutingError::Option)?;
    interfaces::with_netlink(async |handle| route(handle).await).await?;
    let running = reaper.spawn(Command::new(nft).arg(rules())).map_err(ReplyRoutingError::Start)?;
    match running.wait().await {
        Exit::Code(0) => Ok(()),
        exit => Err(ReplyRoutingError::Rules(exit)),
    }
}

/// What is marked is for this node, whatever its address.
async fn route(handle: &Handle) -> Result<(), InterfaceError> {
    let lo = interfaces::index(handle, "lo").await?;
    let everything = RouteMessageBuilder::<Ipv4Addr>::new().kind(RouteType::Local).scope(RouteScope::Host);
    let everything = everything.table_id(TABLE).output_interface(lo).build();
    handle.route().add(everything).execute().await.what("make every address local for answers")?;
    let mut rule = handle.rule().add().v4().fw_mark(MARK).table_id(TABLE).action(RuleAction::ToTable);
    rule.message_mut().attributes.push(RuleAttribute::FwMask(MARK));
    rule.execute().await.what("route answers by their mark")
}

/// The chain `answers-out` is of type `route`: what a program of the node itself answers is routed anew when it is marked.
/// An ICMP error that would leave by the tap answers such a connection too (kube-proxy refuses so); nobody out there
/// could use it, since the tap's helper ignores them.
fn rules() -> String {
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
