//! Whether we run inside somebody else's user namespace, as in a container.

use super::range::IdRange;
use std::fs;
use std::path::Path;

/// The map of the machine's own user namespace.
const EVERYTHING: IdRange = IdRange { start: 0, count: u32::MAX };

/// A user namespace that is not the machine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// What made it.
    pub kind: NestedKind,
    /// Uids that there are.
    pub(crate) uids: Vec<IdRange>,
    /// Gids that there are.
    pub(crate) gids: Vec<IdRange>,
}

/// What made a user namespace, as far as can be seen from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NestedKind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Something else.
    Other,
}

/// The user namespace that this process was started in, `None` if that is the machine's.
pub fn nested() -> Option<Nested> {
    let map = |file| ids(&fs::read_to_string(file).unwrap_or_default());
    let (uids, gids) = (map("/proc/self/uid_map"), map("/proc/self/gid_map"));
    (!uids.is_empty() && uids != [EVERYTHING]).then(|| Nested { kind: kind(), uids, gids })
}

/// The ids that a map makes: `INSIDE OUTSIDE COUNT`, one range a line.
fn ids(map: &str) -> Vec<IdRange> {
    let range = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, count) = (fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?);
        Some(IdRange { start, count })
    };
    map.lines().filter_map(range).collect()
}

fn kind() -> NestedKind {
    // Of another user's first process it cannot be read.
    let environment = fs::read("/proc/1/environ").unwrap_or_default();
    let says = |name: &[u8]| environment.split(|byte| *byte == 0).any(|variable| variable == name);
    if Path::new("/run/.containerenv").exists() || says(b"container=podman") {
        NestedKind::Podman
    } else if Path::new("/.dockerenv").exists() || says(b"container=docker") {
        NestedKind::Docker
    } else {
        NestedKind::Other
    }
}

impl NestedKind {
    /// What to start the container with, so that a node can have a `/proc` and a network of its own.
    pub(crate) fn options(self) -> &'static str {
        match self {
            Self::Docker => "docker run --privileged --device /dev/net/tun",
            Self::Podman => "podman run --privileged --pids-limit -1 --device /dev/net/tun",
            Self::Other => {
                "start the container with nothing mounted over parts of /proc and a writable /sys, and with no filter of system calls"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        assert_eq!(ids("         0          0 4294967295\n"), [EVERYTHING]);
        let rootless = [IdRange { start: 0, count: 1 }, IdRange { start: 1, count: 65536 }];
        assert_eq!(ids("0 1000 1\n1 100000 65536\n"), rootless);
        assert_eq!(ids("nonsense\n"), []);
    }
}
