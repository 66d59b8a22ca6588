//! Checks of the host that belong to no other library. Names are kubeadm's where it has them.

mod home;
mod inherited;
mod network;
mod ping;
mod port;
mod proxy;
mod storage;
mod user;

pub use home::check_home;
pub use inherited::inherited;
pub use network::{host_ip, host_subnets, unprivileged_ports};
pub use ping::ping_groups;
pub use port::port;
pub use proxy::http_proxy;
pub use storage::{bundle_obstacle, state_mount, state_path};
pub use user::{hostname, linger, not_root, state_dir, user_manager};
