//! Effects on this machine, each with the path or the command in its error.

pub mod check;
pub mod command;
pub mod env;
pub mod fs;
pub mod process;
pub mod systemd;

pub use check::{Finding, Level};
pub use command::{CommandError, CommandExt};
pub use fs::{FsError, Mode};
pub use process::{Process, Reaper};
