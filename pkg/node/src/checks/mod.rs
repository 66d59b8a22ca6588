//! What a node needs of the host beside namespaces: limits, memory, disk. Names follow kubeadm's preflight.
//!
//! A check is a pure function of what was read, so that all its outcomes can be tested; [`run`] does the reading.

mod crun;
mod limits;
mod machine;
mod storage;
#[cfg(test)]
mod tests;

pub use crun::crun;
pub(crate) use machine::idle_memory;

use crate::Role;
use nix::sys::resource::{Resource, getrlimit};
use std::path::{Path, PathBuf};
use usernetes_api::Paths;
use usernetes_host::Finding;

/// All checks of this module.
pub fn run(role: Role, node_name: &str, paths: &Paths) -> Vec<Finding> {
    let meminfo = read("/proc/meminfo");
    let state = nearest(&paths.state());
    vec![
        machine::cpus(role, std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        machine::memory(role, machine::kib(&meminfo, "MemTotal")),
        machine::swap(machine::kib(&meminfo, "SwapTotal")),
        machine::hostname(node_name),
        machine::program("mount", "pods with volumes cannot start", "sudo apt install mount"),
        storage::state_fs(&state),
        storage::disk_space(&state),
        limits::inotify(&read(limits::INSTANCES), &read(limits::WATCHES)),
        limits::keyring(&read(limits::KEYS)),
        limits::receive_buffer(&read(limits::RECEIVE_BUFFER)),
        limits::open_files(hard(Resource::RLIMIT_NOFILE)),
        limits::processes(hard(Resource::RLIMIT_NPROC), limits::pids_max(&read("/proc/self/cgroup"))),
    ]
}

/// Empty where it cannot be read: every check passes what it knows nothing about.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn hard(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

/// The path or the nearest directory above it: the state directory is made later.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/")).to_owned()
}
