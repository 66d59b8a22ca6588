//! Subordinate ids of the user, and the maps made from them.

use super::error::IdMapError;
use super::nested::nested;
use super::range::{IdRange, clip};
use super::subid::{add_command, ranges, user_name};
use std::path::PathBuf;
use std::process::Command;
use usernetes_host::fs::Context as _;
use usernetes_host::{CommandExt as _, FsError};

/// What one image of an ordinary distribution may use.
pub(crate) const ENOUGH_IDS: u64 = BLOCK as u64;
/// Ids of the node itself, and of each pod with a user namespace of its own: the kubelet's unit.
const BLOCK: u32 = 65536;

/// All subordinate ids of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubIds {
    /// Name of the user.
    pub user: String,
    /// Subordinate uids.
    pub uids: Vec<IdRange>,
    /// Subordinate gids.
    pub gids: Vec<IdRange>,
}

impl SubIds {
    /// Ids of one pod with a user namespace of its own, and the first id of the first such pod.
    pub const OF_A_POD: u32 = BLOCK;

    /// Those of the user that runs this process. In a container only ids that it has count; root there needs no entries.
    pub fn current() -> Result<Self, IdMapError> {
        let user = user_name()?;
        let nested = nested();
        let (uid_map, gid_map) = nested.as_ref().map(|nested| (&*nested.uids, &*nested.gids)).unzip();
        let uids = usable(ranges(&user, "uid", "/etc/subuid", &[]), uid_map)?;
        let gids = usable(ranges(&user, "gid", "/etc/subgid", &["-g"]), gid_map)?;
        Ok(Self { user, uids, gids })
    }

    /// How many uids and gids there are, root's not counted.
    pub fn totals(&self) -> (u64, u64) {
        let sum = |ranges: &[IdRange]| ranges.iter().map(|r| u64::from(r.count)).sum();
        (sum(&self.uids), sum(&self.gids))
    }

    /// Whether there are as many as the node itself uses.
    pub fn suffice(&self) -> bool {
        let (uids, gids) = self.totals();
        uids.min(gids) >= ENOUGH_IDS
    }

    /// How many pods can have a user namespace of their own, with [`Self::OF_A_POD`] ids each.
    pub fn pods(&self) -> u64 {
        let blocks = |ranges| split(ranges).blocks.iter().map(|range| u64::from(range.count / BLOCK)).sum();
        u64::min(blocks(&self.uids), blocks(&self.gids))
    }

    /// What an administrator runs to give the user that many more of both.
    pub fn add_command(&self, count: u64) -> String {
        add_command(&self.user, count)
    }

    /// Whether root writes the maps itself, without newuidmap and newgidmap.
    pub(crate) fn needs_no_helpers() -> bool {
        nix::unistd::geteuid().is_root()
    }

    /// Writes both maps of a process that has just made a user namespace.
    pub(crate) fn apply(&self, pid: u32) -> Result<(), IdMapError> {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        if Self::needs_no_helpers() {
            write_map(pid, "uid_map", uid, &self.uids)?;
            return Ok(write_map(pid, "gid_map", gid, &self.gids)?);
        }
        std::thread::scope(|scope| {
            let gids = scope.spawn(|| map_command("newgidmap", pid, gid, &self.gids).run());
            map_command("newuidmap", pid, uid, &self.uids).run()?;
            gids.join().expect("running a program does not panic")?;
            Ok(())
        })
    }
}

fn map_command(program: &str, pid: u32, own: u32, ranges: &[IdRange]) -> Command {
    let mut command = Command::new(program);
    command.arg(pid.to_string()).args(map(own, ranges).iter().flatten().map(u32::to_string));
    command
}

/// All of it in one write, as the kernel wants it.
fn write_map(pid: u32, file: &str, own: u32, ranges: &[IdRange]) -> Result<(), FsError> {
    let lines: Vec<_> = map(own, ranges).iter().map(|line| line.map(|n| n.to_string()).join(" ")).collect();
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    std::fs::write(&path, lines.join("\n")).context("write", path)
}

/// First id inside, first id outside, how many: our own id becomes 0, the ranges follow, each id once.
///
/// A pod's user namespace lies in one line of this map, or the kernel refuses it. So every block of [`BLOCK`] ids that a
/// kubelet may give to a pod comes out of one range, and what is left of the ranges comes last.
fn map(own: u32, ranges: &[IdRange]) -> Vec<[u32; 3]> {
    let Split { first, blocks, rest } = split(ranges);
    let mut map = vec![[0, own, 1]];
    let mut inside = 1_u32;
    for range in [first, blocks, rest].into_iter().flatten() {
        map.push([inside, range.start, range.count]);
        inside = inside.saturating_add(range.count);
    }
    map
}

/// Ranges by what they serve.
struct Split {
    /// With our own id the first block, which is the node's.
    first: Vec<IdRange>,
    /// Whole blocks.
    blocks: Vec<IdRange>,
    /// Too few for a block.
    rest: Vec<IdRange>,
}

fn split(ranges: &[IdRange]) -> Split {
    let mut wanted = BLOCK - 1;
    let mut split = Split { first: Vec::new(), blocks: Vec::new(), rest: Vec::new() };
    for range in ranges {
        let first = range.count.min(wanted);
        wanted -= first;
        let whole = (range.count - first) / BLOCK * BLOCK;
        let mut start = range.start;
        for (part, count) in
            [(&mut split.first, first), (&mut split.blocks, whole), (&mut split.rest, range.count - first - whole)]
        {
            if count > 0 {
                part.push(IdRange { start, count });
            }
            start += count;
        }
    }
    split
}

/// Of the ranges found, those that our user namespace has; for its root all but root itself where there are none.
fn usable(found: Result<Vec<IdRange>, IdMapError>, map: Option<&[IdRange]>) -> Result<Vec<IdRange>, IdMapError> {
    let Some(map) = map else { return found };
    let everyone = IdRange { start: 1, count: u32::MAX - 1 };
    let (ranges, error) = match found {
        Ok(ranges) => (clip(&ranges, map), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    match error {
        _ if ranges.is_empty() && nix::unistd::geteuid().is_root() => Ok(clip(&[everyone], map)),
        Some(error) => Err(error),
        None => Ok(ranges),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(ranges: &[(u32, u32)]) -> Vec<IdRange> {
        ranges.iter().map(|(start, count)| IdRange { start: *start, count: *count }).collect()
    }

    #[test]
    fn own_id_is_root_and_ranges_follow() {
        let command = map_command("newuidmap", 7, 1000, &ids(&[(100_000, 65536), (300_000, 5)]));
        let words: Vec<_> = command.get_args().map(|w| w.to_string_lossy()).collect();
        insta::assert_snapshot!(words.join(" "), @"7 0 1000 1 1 100000 65535 65536 165535 1 65537 300000 5");
    }

    #[test]
    fn no_pod_lies_in_two_ranges() {
        let useradds_and_the_cures = ids(&[(100_000, 65536), (524_288, 2 * 65536)]);
        let expected = vec![[0, 1000, 1], [1, 100_000, 65535], [65536, 524_288, 131_072], [196_608, 165_535, 1]];
        assert_eq!(map(1000, &useradds_and_the_cures), expected);
        let one = ids(&[(100_000, 65536 * 3)]);
        assert_eq!(
            map(1000, &one),
            [[0, 1000, 1], [1, 100_000, 65535], [65536, 165_535, 131_072], [196_608, 296_607, 1]]
        );
    }

    proptest! {
        #[test]
        fn every_id_once_and_every_pod_in_one_line(counts in proptest::collection::vec(1_u32..400_000, 1..6)) {
            let ranges: Vec<_> =
                counts.iter().zip(1..).map(|(count, n)| IdRange { start: n * 1_000_000, count: *count }).collect();
            let map = map(1000, &ranges);
            let mut inside = 0;
            for [first, _, count] in &map {
                prop_assert_eq!(*first, inside);
                inside += count;
            }
            prop_assert_eq!(inside, 1 + counts.iter().sum::<u32>());
            let ids = SubIds { user: String::new(), uids: ranges.clone(), gids: ranges };
            for pod in 1..=u32::try_from(ids.pods()).expect("few") {
                let (start, end) = (pod * BLOCK, (pod + 1) * BLOCK);
                prop_assert!(map.iter().any(|[first, _, count]| *first <= start && end <= first + count));
            }
        }
    }
}
