//! The child's side: from a re-executed process to a payload that runs as PID 1.

mod context;
mod etc;
mod files;
pub(crate) mod init;
mod kept_entries;
mod mount_targets;
mod mounts;
pub(crate) mod unshare;

pub use context::{ChildContext, ReadyNotifier, Status, SysctlOutcome};
pub use kept_entries::list_own_entries;
pub(crate) use mount_targets::open_path;
pub(crate) use mounts::{mount_new, mount_writable};
