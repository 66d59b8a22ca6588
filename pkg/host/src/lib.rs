//! Effects on this machine, each with the path or the command in its error.

pub mod check;
pub mod checks;
pub mod command;
pub mod env;
pub mod fs;
pub mod lock;
pub mod process;
pub mod process_lock;
pub mod shared_file;
pub mod systemd;

pub use check::{Finding, Level};
pub use command::{CommandError, CommandExt};
pub use env::EnvError;
pub use fs::{FsError, Mode};
pub use lock::{Lock, LockError};
pub use process::{Process, Reaper};
pub use process_lock::{LockHolder, ProcessLock, ProcessLockError};
pub use shared_file::{SharedFile, SharedFileError};
