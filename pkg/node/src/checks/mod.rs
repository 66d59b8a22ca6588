//! Preflight checks of limits, memory and disks of the host. Names follow kubeadm's checks where it has one.
//!
//! A check is a pure function of its inputs, so that all outcomes can be tested; [`run_checks`] reads the inputs.

mod crun;
mod limits;
mod machine;
mod storage;
#[cfg(test)]
mod tests;

pub use crun::check_crun;
pub(crate) use machine::idle_memory;

use crate::Role;
use nix::sys::resource::{Resource, getrlimit};
use std::path::{Path, PathBuf};
use usernetes_api::Paths;
use usernetes_host::Finding;

/// Runs all checks of this module for a node of this role and name.
pub fn run_checks(role: Role, node_name: &str, paths: &Paths) -> Vec<Finding> {
    let meminfo = read_file("/proc/meminfo");
    let state = nearest_directory(&paths.state());
    vec![
        machine::check_cpus(role, std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        machine::check_memory(role, machine::parse_meminfo(&meminfo, "MemTotal")),
        machine::check_swap(machine::parse_meminfo(&meminfo, "SwapTotal")),
        machine::check_hostname(node_name),
        machine::check_program("mount", "pods with volumes cannot start", "sudo apt install mount"),
        storage::check_state_fs(&state),
        storage::check_disk_space(&state),
        limits::check_inotify(&read_file(limits::INSTANCES), &read_file(limits::WATCHES)),
        limits::check_keyring(&read_file(limits::KEYS)),
        limits::check_receive_buffer(&read_file(limits::RECEIVE_BUFFER)),
        limits::check_open_files(hard_limit(Resource::RLIMIT_NOFILE)),
        limits::check_processes(
            hard_limit(Resource::RLIMIT_NPROC),
            limits::read_pids_max(&read_file("/proc/self/cgroup")),
        ),
    ]
}

/// The text of a file; empty if it cannot be read, and then checks pass.
fn read_file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A hard limit of this process; `u64::MAX` if unknown.
fn hard_limit(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

/// The path, or its nearest existing parent: the state directory is created later.
fn nearest_directory(path: &Path) -> PathBuf {
    path.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/")).to_owned()
}
