//! News of the host's addresses and routes, as the kernel tells them.

use futures::StreamExt as _;
use rtnetlink::MulticastGroup::{Ipv4Ifaddr, Ipv4Route, Ipv6Ifaddr, Ipv6Route, Link};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

/// Calls `look` now, and again some time after the host's addresses, routes or interfaces have changed: `settle`, for
/// an address, its route and the loss of its predecessor come one by one. Ends when `look` says so.
pub async fn follow_host_network(settle: Duration, mut look: impl AsyncFnMut() -> ControlFlow<()>) -> io::Result<()> {
    // Listens before the first look, so that nothing is missed in between.
    let groups = [Link, Ipv4Ifaddr, Ipv6Ifaddr, Ipv4Route, Ipv6Route];
    let (connection, _handle, mut news) = rtnetlink::new_multicast_connection(&groups)?;
    let looking = async {
        while look().await.is_continue() {
            if news.next().await.is_none() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            tokio::time::sleep(settle).await;
            while news.try_recv().is_ok() {}
        }
        Ok(())
    };
    tokio::select! {
        () = connection => Err(io::ErrorKind::BrokenPipe.into()),
        looked = looking => looked,
    }
}
