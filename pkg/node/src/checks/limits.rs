//! Checks of the limits of a user: inotify, keys, socket buffers, open files, processes.

use std::path::Path;
use usernetes_host::Finding;

pub(super) const INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";
pub(super) const WATCHES: &str = "/proc/sys/fs/inotify/max_user_watches";
pub(super) const KEYS: &str = "/proc/sys/kernel/keys/maxkeys";
pub(super) const RECEIVE_BUFFER: &str = "/proc/sys/net/core/rmem_max";

/// The values that kind recommends; the kernel's default of 128 instances suffices for two nodes of a user.
const GOOD_INSTANCES: u64 = 512;
const GOOD_WATCHES: u64 = 65_536;
/// A container uses one key, a pod at least two: enough for the kubelet's default of 110 pods.
const GOOD_KEYS: u64 = 500;
/// The API server has 150 files open when idle.
const LEAST_FILES: u64 = 1024;
const GOOD_FILES: u64 = 65_536;
/// Buffer that the port forwarder requests (`UDP_BUFFER`); the default limit of newer kernels.
const GOOD_RECEIVE_BUFFER: u64 = 4 * 1024 * 1024;
/// Components have about 150 threads; flannel, kube-proxy and CoreDNS have 50.
const LEAST_PROCESSES: u64 = 512;
const GOOD_PROCESSES: u64 = 4096;

pub(super) fn check_inotify(instances: &str, watches: &str) -> Finding {
    let limits = [
        ("fs.inotify.max_user_instances", instances, GOOD_INSTANCES),
        ("fs.inotify.max_user_watches", watches, GOOD_WATCHES),
    ];
    let mut low = Vec::new();
    let mut settings = Vec::new();
    for (name, text, good) in limits {
        if let Some(found) = parse_number(text).filter(|found| *found < good) {
            low.push(format!("{name} is {found}"));
            settings.push(format!("{name}={good}"));
        }
    }
    if low.is_empty() {
        return Finding::passed("Inotify");
    }
    Finding::warning(
        "Inotify",
        format!("{}: several nodes or many pods of one user may fail with \"too many open files\"", low.join(", ")),
        sysctl_command("inotify", &settings.join("\\n")),
    )
}

/// A command that applies settings now and at every boot.
fn sysctl_command(name: &str, settings: &str) -> String {
    format!("printf '{settings}\\n' | sudo tee /etc/sysctl.d/99-usernetes-{name}.conf && sudo sysctl --system")
}

pub(super) fn check_keyring(keys: &str) -> Finding {
    match parse_number(keys) {
        Some(keys) if keys < GOOD_KEYS => Finding::warning(
            "Keyring",
            format!("kernel.keys.maxkeys is {keys}: about {} pods at a time", keys.saturating_sub(4) / 2),
            sysctl_command("keyring", "kernel.keys.maxkeys=2000\\nkernel.keys.maxbytes=200000"),
        ),
        _ => Finding::passed("Keyring"),
    }
}

/// Checks the limit of socket buffers. VXLAN datagrams arrive in bursts, and those that the socket of the relay cannot
/// buffer are lost.
pub(super) fn check_receive_buffer(most: &str) -> Finding {
    match parse_number(most) {
        Some(most) if most < GOOD_RECEIVE_BUFFER => Finding::warning(
            "ReceiveBuffer",
            format!(
                "net.core.rmem_max is {most}: much traffic between pods of different hosts is slowed down by losses"
            ),
            sysctl_command("receive-buffer", &format!("net.core.rmem_max={GOOD_RECEIVE_BUFFER}")),
        ),
        _ => Finding::passed("ReceiveBuffer"),
    }
}

pub(super) fn check_open_files(hard: u64) -> Finding {
    if hard >= GOOD_FILES {
        return Finding::passed("OpenFiles");
    }
    let finding = if hard < LEAST_FILES { Finding::error } else { Finding::warning };
    finding(
        "OpenFiles",
        format!("a process may have {hard} files open, less than {GOOD_FILES}"),
        "echo \"$USER hard nofile 524288\" | sudo tee /etc/security/limits.d/99-usernetes-nofile.conf, and log in again",
    )
}

/// `nproc` is the limit of the user, `tasks` the limit of this process's cgroups.
pub(super) fn check_processes(nproc: u64, tasks: u64) -> Finding {
    let most = nproc.min(tasks);
    let message = format!("{most} processes and threads are allowed");
    let hint = if tasks <= nproc {
        "sudo systemctl set-property user-$(id -u).slice TasksMax=infinity"
    } else {
        "echo \"$USER hard nproc unlimited\" | sudo tee /etc/security/limits.d/99-usernetes-nproc.conf, and log in again"
    };
    if most < LEAST_PROCESSES {
        Finding::error("PidLimit", format!("{message}, less than {LEAST_PROCESSES}"), hint)
    } else if most < GOOD_PROCESSES {
        Finding::warning("PidLimit", format!("{message}, less than {GOOD_PROCESSES}"), hint)
    } else {
        Finding::passed("PidLimit")
    }
}

/// The smallest `pids.max` of a cgroup and its parents; `own` is the text of `/proc/self/cgroup`.
pub(super) fn read_pids_max(own: &str) -> u64 {
    let cgroup = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let directory = root.join(cgroup);
    let limits = directory.ancestors().take_while(|directory| directory.starts_with(root));
    let limits = limits.filter_map(|directory| std::fs::read_to_string(directory.join("pids.max")).ok());
    limits.filter_map(|text| parse_number(&text)).min().unwrap_or(u64::MAX)
}

fn parse_number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}
