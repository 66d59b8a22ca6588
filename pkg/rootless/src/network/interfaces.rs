//! Interfaces inside: loopback with the node's addresses, and the tap of the network driver.

use super::TapAddresses;
use futures::TryStreamExt as _;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use tun_rs::{DeviceBuilder, Layer};
use usernetes_api::{NetworkOptions, constants::TAP_INTERFACE};

/// An interface, an address or a route could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterfaceError {
    /// The tap could not be made.
    #[error("cannot make the tap interface {TAP_INTERFACE}: {0}")]
    Tap(io::Error),
    /// Netlink could not be opened.
    #[error("cannot open netlink: {0}")]
    Open(io::Error),
    /// A netlink request failed.
    #[error("cannot {action}: {source}")]
    Netlink { action: String, source: rtnetlink::Error },
}

/// Adds the attempted action to the error of a netlink request.
pub(crate) trait Action<T> {
    /// The error becomes `cannot <action>: …`.
    fn with_action(self, action: impl Into<String>) -> Result<T, InterfaceError>;
}

impl<T> Action<T> for Result<T, rtnetlink::Error> {
    fn with_action(self, action: impl Into<String>) -> Result<T, InterfaceError> {
        self.map_err(|source| InterfaceError::Netlink { action: action.into(), source })
    }
}

/// Makes and configures the interfaces. The tap has no carrier until the driver attaches to it.
pub(crate) async fn set_up_interfaces(network: &NetworkOptions, addresses: &[IpAddr]) -> Result<(), InterfaceError> {
    make_tap().map_err(InterfaceError::Tap)?;
    with_netlink(async |handle| configure_links(handle, network, addresses).await).await
}

/// Runs `work` with a netlink connection.
pub(crate) async fn with_netlink<T>(
    work: impl AsyncFnOnce(&Handle) -> Result<T, InterfaceError>,
) -> Result<T, InterfaceError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(InterfaceError::Open)?;
    let connection = tokio::spawn(connection);
    let result = work(&handle).await;
    connection.abort();
    result
}

/// Makes the tap persistent: the interface, and what is bound to it, stays while the driver restarts.
fn make_tap() -> io::Result<()> {
    DeviceBuilder::new().name(TAP_INTERFACE).layer(Layer::L2).build_sync()?.persist()
}

async fn configure_links(
    handle: &Handle,
    network: &NetworkOptions,
    addresses: &[IpAddr],
) -> Result<(), InterfaceError> {
    let lo = find_index(handle, "lo").await?;
    handle.link().set(LinkUnspec::new_with_index(lo).up().build()).execute().await.with_action("raise lo")?;
    for address in addresses {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        add_address(handle, lo, *address, prefix).await?;
    }
    let tap = find_index(handle, TAP_INTERFACE).await?;
    let link = LinkUnspec::new_with_index(tap).mtu(network.mtu).up().build();
    handle.link().set(link).execute().await.with_action(format!("raise {TAP_INTERFACE} with MTU {}", network.mtu))?;
    let TapAddresses { node, gateway, .. } = super::tap_addresses(network);
    add_address(handle, tap, node.into(), network.tap_range().prefix_len()).await?;
    handle.route().add(default_route(gateway, tap)).execute().await.with_action(format!("route by {gateway}"))
}

pub(crate) fn default_route(gateway: Ipv4Addr, interface: u32) -> RouteMessage {
    RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).output_interface(interface).build()
}

pub(crate) async fn add_address(
    handle: &Handle,
    interface: u32,
    address: IpAddr,
    prefix: u8,
) -> Result<(), InterfaceError> {
    handle
        .address()
        .add(interface, address, prefix)
        .execute()
        .await
        .with_action(format!("add address {address}/{prefix}"))
}

pub(crate) async fn find_index(handle: &Handle, name: &str) -> Result<u32, InterfaceError> {
    let link = handle.link().get().match_name(name.to_owned()).execute().try_next().await;
    let link = link.with_action(format!("find interface {name}"))?;
    Ok(link.map_or(0, |link| link.header.index))
}
