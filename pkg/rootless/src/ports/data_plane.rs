//! Threads that carry the traffic of published ports.
//!
//! Each has a runtime of its own, so that no flood of connections or datagrams delays the payload, the control socket, or
//! the replies to the parent's heartbeat.

use std::io;
use std::thread;
use tokio::runtime::{Builder, Handle};

/// Runtimes of the threads. Cheap to clone; the threads end with the process.
#[derive(Clone, Debug)]
pub(super) struct DataPlane {
    /// Connections and UDP sessions.
    pub(super) sessions: Handle,
    /// Relays, apart from sessions: the network between nodes goes on when a port is flooded.
    pub(super) relays: Handle,
}

impl DataPlane {
    pub(super) fn start() -> io::Result<Self> {
        Ok(Self { sessions: start_thread("ports")?, relays: start_thread("relay")? })
    }
}

/// Starts a thread that runs tasks for as long as the process lives.
fn start_thread(name: &str) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
