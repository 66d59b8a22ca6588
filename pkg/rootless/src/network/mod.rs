//! The node's network: interfaces inside, the driver that carries their traffic, and the host's own network.
//!
//! A driver is a program of the host. All knowledge of one program is in one file; [`find_driver`] is the table.

mod backoff;
mod driver;
mod gateway;
mod helper;
mod host_watch;
pub(crate) mod interfaces;
mod slirp4netns;

pub use driver::NetworkError;
pub(crate) use driver::TapAddresses;
pub(crate) use gateway::wait_for_silence;
pub(crate) use helper::Helper;
pub use host_watch::follow_host_network;

use driver::Driver;
use usernetes_api::{NetworkDriver, NetworkOptions};
use usernetes_host::Finding;

fn find_driver(driver: NetworkDriver) -> &'static Driver {
    match driver {
        NetworkDriver::Slirp4netns => &slirp4netns::DRIVER,
    }
}

/// Addresses in the range of the tap.
pub(crate) fn tap_addresses(network: &NetworkOptions) -> TapAddresses {
    (find_driver(network.driver).addresses)(network.tap_range())
}

/// Prepares the driver's program for the tap of the child with this process id.
pub(crate) fn prepare_helper(network: &NetworkOptions, child: i32) -> Result<Helper, NetworkError> {
    Helper::new(find_driver(network.driver), network, child)
}

/// Checks whether the host has what the driver needs.
pub(crate) fn check_driver(selected: NetworkDriver) -> Vec<Finding> {
    (find_driver(selected).checks)()
}
