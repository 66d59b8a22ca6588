//! Checks of processors, memory, name and programs of the host.

use crate::Role;
use std::path::Path;
use usernetes_host::Finding;

const MIB: u64 = 1024 * 1024;

/// Checks the number of processors.
pub(super) fn check_cpus(role: Role, count: usize) -> Finding {
    match role {
        Role::ControlPlane if count < 2 => Finding::warning(
            "NumCPU",
            format!("{count} processor; a control plane is slow with less than 2"),
            "run the control plane on a host with 2 processors or more",
        ),
        _ => Finding::passed("NumCPU"),
    }
}

/// Measured memory of an idle node, in bytes.
pub(crate) fn idle_memory(role: Role) -> u64 {
    match role {
        Role::ControlPlane => 900 * MIB,
        Role::Worker => 300 * MIB,
    }
}

/// Checks the memory in bytes; passes if unknown.
pub(super) fn check_memory(role: Role, total: Option<u64>) -> Finding {
    let Some(total) = total else { return Finding::passed("Mem") };
    let (least, good) = match role {
        Role::ControlPlane => (1000 * MIB, 1700 * MIB),
        Role::Worker => (400 * MIB, 800 * MIB),
    };
    let message = format!("{} MiB of memory, less than", total / MIB);
    let hint = "use a host with more memory";
    if total < least {
        Finding::error("Mem", format!("{message} {} MiB", least / MIB), hint)
    } else if total < good {
        Finding::warning("Mem", format!("{message} {} MiB", good / MIB), hint)
    } else {
        Finding::passed("Mem")
    }
}

/// Checks that there is no swap, in bytes; passes if unknown.
pub(super) fn check_swap(total: Option<u64>) -> Finding {
    match total {
        Some(total) if total > 0 => Finding::warning(
            "Swap",
            format!("{} MiB of swap are on; etcd and pods may be swapped out", total / MIB),
            "sudo swapoff -a",
        ),
        _ => Finding::passed("Swap"),
    }
}

/// The value `name` of `/proc/meminfo`, in bytes.
pub(super) fn parse_meminfo(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Checks that the node name is a DNS subdomain (RFC 1123).
pub(super) fn check_hostname(name: &str) -> Finding {
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Finding::passed("Hostname");
    }
    Finding::error(
        "Hostname",
        format!("{name:?} cannot be a node name: only a-z, 0-9, inner dashes and dots"),
        "usernetes-rs init --node-name NAME",
    )
}

fn is_label(label: &str) -> bool {
    let valid = label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    valid && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

/// Checks that a program of the host, which runs inside the node, is installed. `without` is the consequence if not.
pub(super) fn check_program(name: &str, without: &str, hint: &str) -> Finding {
    let check = format!("FileExisting-{name}");
    let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    if directories.iter().any(|directory| Path::new(directory).join(name).exists()) {
        return Finding::passed(check);
    }
    Finding::warning(check, format!("{name} not found: {without}"), hint)
}
