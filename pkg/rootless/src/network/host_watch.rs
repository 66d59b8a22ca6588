//! Follows changes of the host's addresses and routes, as the kernel reports them.

use futures::StreamExt as _;
use rtnetlink::MulticastGroup::{Ipv4Ifaddr, Ipv4Route, Ipv6Ifaddr, Ipv6Route, Link};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

/// Calls `look` now, and again after each change of the host's addresses, routes or interfaces. `settle` is the delay
/// after a change: an address, its route and the loss of its predecessor are separate events. Ends when `look` returns
/// `Break`.
pub async fn follow_host_network(settle: Duration, mut look: impl AsyncFnMut() -> ControlFlow<()>) -> io::Result<()> {
    // Subscribes before the first look, so that no change is missed in between.
    let groups = [Link, Ipv4Ifaddr, Ipv6Ifaddr, Ipv4Route, Ipv6Route];
    let (connection, _handle, mut changes) = rtnetlink::new_multicast_connection(&groups)?;
    let looking = async {
        while look().await.is_continue() {
            if changes.next().await.is_none() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            tokio::time::sleep(settle).await;
            while changes.try_recv().is_ok() {}
        }
        Ok(())
    };
    tokio::select! {
        () = connection => Err(io::ErrorKind::BrokenPipe.into()),
        looked = looking => looked,
    }
}
