//! Detects whether this process runs in the user namespace of a container.

use super::range::IdRange;
use std::fs;
use std::path::Path;

/// Id map of the host's initial user namespace.
const EVERYTHING: IdRange = IdRange { start: 0, count: u32::MAX };

/// A user namespace that is not the initial one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// Engine that made it.
    pub kind: NestedKind,
    /// Uids of the namespace.
    pub(crate) uids: Vec<IdRange>,
    /// Gids of the namespace.
    pub(crate) gids: Vec<IdRange>,
}

/// Engine that made a user namespace, as far as it can be detected from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NestedKind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Another one.
    Other,
}

/// The user namespace of this process; `None` if it is the initial one.
pub fn nested() -> Option<Nested> {
    let uids = read_id_map("/proc/self/uid_map");
    let gids = read_id_map("/proc/self/gid_map");
    (!uids.is_empty() && uids != [EVERYTHING]).then(|| Nested { kind: detect_kind(), uids, gids })
}

/// The last uid and gid that this process's user namespace has.
pub fn last_own_id() -> Option<u32> {
    let last = |path| read_id_map(path).iter().map(|range| range.start.saturating_add(range.count - 1)).max();
    last("/proc/self/uid_map").min(last("/proc/self/gid_map"))
}

fn read_id_map(path: &str) -> Vec<IdRange> {
    parse_id_map(&fs::read_to_string(path).unwrap_or_default())
}

/// Ids inside, from lines of `INSIDE OUTSIDE COUNT`.
fn parse_id_map(map: &str) -> Vec<IdRange> {
    map.lines().filter_map(parse_id_map_line).collect()
}

fn parse_id_map_line(line: &str) -> Option<IdRange> {
    let mut fields = line.split_whitespace();
    Some(IdRange { start: fields.next()?.parse().ok()?, count: fields.nth(1)?.parse().ok()? })
}

fn detect_kind() -> NestedKind {
    // Not readable if PID 1 belongs to another user.
    let environment = fs::read("/proc/1/environ").unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let engine = variables.find_map(|variable| variable.strip_prefix(b"container="));
    if Path::new("/run/.containerenv").exists() || engine == Some(b"podman") {
        NestedKind::Podman
    } else if Path::new("/.dockerenv").exists() || engine == Some(b"docker") {
        NestedKind::Docker
    } else {
        NestedKind::Other
    }
}

impl NestedKind {
    /// Options of the container with which a node can have a `/proc` and a network of its own.
    pub(crate) fn container_options(self) -> &'static str {
        match self {
            Self::Docker => "docker run --privileged --device /dev/net/tun",
            Self::Podman => "podman run --privileged --pids-limit -1 --device /dev/net/tun",
            Self::Other => {
                "start the container without mounts over parts of /proc, with a writable /sys, and without a seccomp filter"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        assert_eq!(parse_id_map("         0          0 4294967295\n"), [EVERYTHING]);
        let rootless = [IdRange { start: 0, count: 1 }, IdRange { start: 1, count: 65536 }];
        assert_eq!(parse_id_map("0 1000 1\n1 100000 65536\n"), rootless);
        assert_eq!(parse_id_map("nonsense\n"), []);
    }
}
