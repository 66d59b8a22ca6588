//! Interface of a network driver: a program that carries the traffic of the tap interface.

use ipnet::Ipv4Net;
use std::io;
use std::net::Ipv4Addr;
use usernetes_api::NetworkOptions;
use usernetes_host::Finding;

/// A network driver: one file that knows its program, and one row in [`find_driver`](super::find_driver).
#[derive(Debug)]
pub(crate) struct Driver {
    /// Name of the program in `PATH`.
    pub(crate) program: &'static str,
    /// How to install the program.
    pub(crate) install_hint: &'static str,
    /// Addresses that the program expects, or serves, in the range of the tap.
    pub(crate) addresses: fn(Ipv4Net) -> TapAddresses,
    /// The program's arguments, for the tap in the namespaces of the child with this process id.
    ///
    /// With them, the program writes one byte to its standard input as soon as it carries the tap, and ends when its
    /// standard output is closed. It leaves the configuration of the interface alone.
    pub(crate) arguments: fn(&NetworkOptions, i32) -> io::Result<Vec<String>>,
    /// Checks of the host: the program and its requirements.
    pub(crate) checks: fn() -> Vec<Finding>,
}

/// Addresses in the range of the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TapAddresses {
    /// The node's own.
    pub(crate) node: Ipv4Addr,
    /// Next hop of the default route.
    pub(crate) gateway: Ipv4Addr,
    /// DNS resolver of the node.
    pub(crate) resolver: Ipv4Addr,
}

/// The network driver's program does not run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Name of the program.
        program: &'static str,
        /// Underlying error.
        source: io::Error,
        /// How to install the program.
        install_hint: &'static str,
    },
    /// The program ended before it carried the tap.
    #[error("cannot start {program}: {status}: {output}")]
    Ended {
        /// Name of the program.
        program: &'static str,
        /// Exit status in words.
        status: String,
        /// Last lines of its standard error.
        output: String,
    },
}

impl NetworkError {
    /// How to install the program, when it is missing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Start { source, install_hint, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some((*install_hint).to_owned())
            }
            _ => None,
        }
    }
}
