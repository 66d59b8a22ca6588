//! The sockets of the node's name server, in a network namespace beside the node's, which lives as long as they do.

use crate::network::interfaces::{Action as _, InterfaceError, add_address, default_route, find_index, with_netlink};
use crate::network::{TapAddresses, tap_addresses};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::mpsc;
use usernetes_api::NetworkOptions;

/// The node's end of the link.
const NODE_END: &str = "dns0";
/// The name server's end.
const SERVER_END: &str = "eth0";
const PORT: u16 = 53;

/// The name server could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketsError {
    /// The thread that makes the namespace or the sockets failed.
    #[error("cannot make the network namespace of the name server")]
    Namespace(#[source] io::Error),
    /// An interface, an address or a route could not be made.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
}

/// A UDP socket and a TCP listener on the resolver's address, which the node and its pods reach as a host beside the tap.
pub(crate) async fn open_sockets(network: &NetworkOptions) -> Result<[OwnedFd; 2], SocketsError> {
    let addresses = tap_addresses(network);
    let (namespace_made, namespace) = tokio::sync::oneshot::channel();
    let (connect, connected) = mpsc::channel();
    let prefix = network.tap_range().prefix_len();
    let (done, sockets) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let made = unshare_network();
        let is_made = made.is_ok();
        let _ = namespace_made.send(made);
        // Without the link there is nothing to configure.
        if is_made && connected.recv().is_ok() {
            let _ = done.send(configure_server(&addresses, prefix));
        }
    });
    let gone = |_| SocketsError::Namespace(io::ErrorKind::BrokenPipe.into());
    let namespace = namespace.await.map_err(gone)?.map_err(SocketsError::Namespace)?;
    with_netlink(async |handle| connect_node(handle, &addresses, network.mtu, &namespace).await).await?;
    let _ = connect.send(());
    sockets.await.map_err(gone)?
}

/// Moves this thread to a new network namespace.
fn unshare_network() -> io::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    File::open("/proc/thread-self/ns/net")
}

/// In the node's namespace: the link, and the route to the name server, which is more specific than the tap's.
async fn connect_node(
    handle: &Handle,
    addresses: &TapAddresses,
    mtu: u32,
    namespace: &File,
) -> Result<(), InterfaceError> {
    let pair = LinkVeth::new(NODE_END, SERVER_END).mtu(mtu).build();
    handle.link().add(pair).execute().await.with_action(format!("make {NODE_END}"))?;
    let server = find_index(handle, SERVER_END).await?;
    let moved = LinkUnspec::new_with_index(server).mtu(mtu).setns_by_fd(namespace.as_raw_fd()).build();
    handle.link().set(moved).execute().await.with_action(format!("move {SERVER_END}"))?;
    let node = find_index(handle, NODE_END).await?;
    let up = LinkUnspec::new_with_index(node).up().build();
    handle.link().set(up).execute().await.with_action(format!("raise {NODE_END}"))?;
    add_address(handle, node, addresses.node.into(), 32).await?;
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(addresses.resolver, 32)
        .output_interface(node)
        .scope(rtnetlink::packet_route::route::RouteScope::Link)
        .build();
    handle.route().add(route).execute().await.with_action(format!("route {}", addresses.resolver))
}

/// In the name server's namespace, on its thread.
fn configure_server(addresses: &TapAddresses, prefix: u8) -> Result<[OwnedFd; 2], SocketsError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SocketsError::Namespace)?;
    runtime.block_on(with_netlink(async |handle| {
        let eth = find_index(handle, SERVER_END).await?;
        let up = LinkUnspec::new_with_index(eth).up().build();
        handle.link().set(up).execute().await.with_action(format!("raise {SERVER_END}"))?;
        add_address(handle, eth, addresses.resolver.into(), prefix).await?;
        let route = default_route(addresses.node, eth);
        handle.route().add(route).execute().await.with_action(format!("route by {}", addresses.node))
    }))?;
    bind_sockets(addresses.resolver).map_err(SocketsError::Namespace)
}

fn bind_sockets(resolver: Ipv4Addr) -> io::Result<[OwnedFd; 2]> {
    Ok([UdpSocket::bind((resolver, PORT))?.into(), TcpListener::bind((resolver, PORT))?.into()])
}
