//! Subordinate ids of the user, and the id maps made from them.

use super::error::IdMapError;
use super::nested::nested;
use super::propose::add_command;
use super::range::{BLOCK, ENOUGH_IDS, IdRange, exclude_id, intersect_ranges};
use super::subid::{read_subids, user_name};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::Command;
use usernetes_host::fs::Context as _;
use usernetes_host::{CommandExt as _, FsError, env};

/// File of subordinate uids.
pub(crate) const SUBUID: &str = "/etc/subuid";
/// File of subordinate gids.
pub(crate) const SUBGID: &str = "/etc/subgid";

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

    /// Reads the ids of the user that runs this process. In a container these are limited to the ids of its user
    /// namespace, and root needs no entries in `/etc/subuid` and `/etc/subgid`.
    pub fn current() -> Result<Self, IdMapError> {
        let user = user_name()?;
        let nested = nested();
        let (uid_map, gid_map) = nested.as_ref().map(|nested| (&*nested.uids, &*nested.gids)).unzip();
        let uids = usable_ranges(read_subids(&user, "uid", SUBUID, &[]), uid_map)?;
        let gids = usable_ranges(read_subids(&user, "gid", SUBGID, &["-g"]), gid_map)?;
        // The user's own id becomes root's: the kernel refuses a map with an id twice.
        let uids = exclude_id(&uids, nix::unistd::geteuid().as_raw());
        let gids = exclude_id(&gids, nix::unistd::getegid().as_raw());
        Ok(Self { user, uids, gids })
    }

    /// The maps of a node with these ids.
    pub fn maps(&self) -> IdMaps {
        let uid = nix::unistd::geteuid().as_raw();
        // Not that of a shell of newgrp or sg.
        let gid = env::user().map_or_else(|_| nix::unistd::getegid().as_raw(), |user| user.gid);
        IdMaps { uids: render_map(uid, &self.uids), gids: render_map(gid, &self.gids) }
    }

    /// Number of uids and gids, without root.
    pub fn totals(&self) -> (u64, u64) {
        (count_ids(&self.uids), count_ids(&self.gids))
    }

    /// Whether there are enough for the node itself, which has the user's own id, too.
    pub fn suffice(&self) -> bool {
        let (uids, gids) = self.totals();
        uids.min(gids) + 1 >= ENOUGH_IDS
    }

    /// Number of pods that can have a user namespace of their own, with [`Self::OF_A_POD`] ids each.
    pub fn pods(&self) -> u64 {
        u64::min(count_blocks(&self.uids), count_blocks(&self.gids))
    }

    /// Command by which an administrator adds `count` uids and gids to the user.
    pub fn add_command(&self, count: u64) -> String {
        add_command(&self.user, count)
    }

    /// Whether root writes the maps itself, without newuidmap and newgidmap.
    pub(crate) fn needs_no_helpers() -> bool {
        nix::unistd::geteuid().is_root()
    }

    /// Writes both id maps of a process that has just made a user namespace.
    pub(crate) fn write_maps(&self, pid: u32) -> Result<(), IdMapError> {
        let uid = nix::unistd::geteuid().as_raw();
        let gid = nix::unistd::getegid().as_raw();
        if Self::needs_no_helpers() {
            write_map(pid, "uid_map", uid, &self.uids)?;
            return Ok(write_map(pid, "gid_map", gid, &self.gids)?);
        }
        refuse_other_group(gid)?;
        std::thread::scope(|scope| {
            let gids = scope.spawn(|| map_command("newgidmap", pid, gid, &self.gids).run());
            map_command("newuidmap", pid, uid, &self.uids).run()?;
            gids.join().expect("running a program does not panic")?;
            Ok(())
        })
    }
}

/// The maps of a node: lines of first id inside, first id on the host, and count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    uids: Vec<[u32; 3]>,
    gids: Vec<[u32; 3]>,
}

impl IdMaps {
    /// Whether files of a node with these maps keep their owners with `new` ones: the node's own ids are the same, and every
    /// other id is still one of the user's.
    pub fn are_kept_by(&self, new: &Self) -> bool {
        [(&self.uids, &new.uids), (&self.gids, &new.gids)].into_iter().all(|(old, new)| {
            clip_to_node(new).starts_with(&clip_to_node(old)) && count_ids(&host_ranges(old)) == count_common(old, new)
        })
    }

    /// The subordinate ranges on the host, as `START:COUNT`; those of gids only where they differ.
    pub fn describe(&self) -> String {
        let [uids, gids] = [&self.uids, &self.gids].map(|map| describe_ranges(map));
        if uids == gids { uids } else { format!("{uids} (uids), {gids} (gids)") }
    }

    /// Lines of `/etc/subuid` with these ranges.
    pub fn entries(&self, user: &str) -> String {
        let lines: Vec<_> = describe_ranges(&self.uids).split(", ").map(|range| format!("{user}:{range}")).collect();
        lines.join(" and ")
    }
}

fn clip_to_node(map: &[[u32; 3]]) -> Vec<[u32; 3]> {
    let lines = map.iter().filter(|[inside, ..]| *inside < BLOCK);
    lines.map(|[inside, outside, count]| [*inside, *outside, (*count).min(BLOCK - inside)]).collect()
}

fn host_ranges(map: &[[u32; 3]]) -> Vec<IdRange> {
    map.iter().map(|[_, start, count]| IdRange { start: *start, count: *count }).collect()
}

fn count_common(old: &[[u32; 3]], new: &[[u32; 3]]) -> u64 {
    count_ids(&intersect_ranges(&host_ranges(old), &host_ranges(new)))
}

/// Without the user's own id; adjacent lines are one range.
fn describe_ranges(map: &[[u32; 3]]) -> String {
    let mut ranges = host_ranges(map.get(1..).unwrap_or_default());
    ranges.sort_unstable();
    let mut merged: Vec<IdRange> = Vec::new();
    for range in ranges {
        match merged.last_mut().filter(|last| last.start + last.count == range.start) {
            Some(last) => last.count += range.count,
            None => merged.push(range),
        }
    }
    merged.iter().map(|range| format!("{}:{}", range.start, range.count)).collect::<Vec<_>>().join(", ")
}

/// newuidmap and newgidmap refuse a process whose group is not the user's primary one, as after newgrp or sg.
fn refuse_other_group(gid: u32) -> Result<(), IdMapError> {
    let Some(user) = env::user().ok().filter(|user| user.gid != gid) else { return Ok(()) };
    let groups = usernetes_host::fs::read_of_system("/etc/group").unwrap_or_default();
    let [group, primary] = [gid, user.gid].map(|gid| describe_group(&groups, gid));
    Err(IdMapError::OtherGroup { user: user.name, group, primary })
}

/// `lab (1012)`, or the number alone.
fn describe_group(groups: &str, gid: u32) -> String {
    let found = groups.lines().find(|line| line.split(':').nth(2).is_some_and(|id| id.parse() == Ok(gid)));
    let name = found.and_then(|line| line.split(':').next());
    name.map_or_else(|| gid.to_string(), |name| format!("{name} ({gid})"))
}

fn count_ids(ranges: &[IdRange]) -> u64 {
    ranges.iter().map(|range| u64::from(range.count)).sum()
}

fn count_blocks(ranges: &[IdRange]) -> u64 {
    split_ranges(ranges).blocks.iter().map(|range| u64::from(range.count / BLOCK)).sum()
}

fn map_command(program: &str, pid: u32, own: u32, ranges: &[IdRange]) -> Command {
    let mut command = Command::new(program);
    command.arg(pid.to_string()).args(render_map(own, ranges).iter().flatten().map(u32::to_string));
    command
}

/// Writes the map in one write, as the kernel requires.
fn write_map(pid: u32, file: &str, own: u32, ranges: &[IdRange]) -> Result<(), FsError> {
    let lines: Vec<_> = render_map(own, ranges).iter().map(|line| line.map(|n| n.to_string()).join(" ")).collect();
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    std::fs::write(&path, lines.join("\n")).context("write", path)
}

/// Lines of `[first id inside, first id outside, count]`: the user's own id becomes 0, then each id of the ranges once.
///
/// The kernel refuses a pod's user namespace unless it lies in one line of this map. So every block of [`BLOCK`] ids that
/// a kubelet may give to a pod is part of one range, and the rest of the ranges comes last.
fn render_map(own: u32, ranges: &[IdRange]) -> Vec<[u32; 3]> {
    let Split { first, blocks, rest } = split_ranges(ranges);
    let mut map = vec![[0, own, 1]];
    let mut inside = 1_u32;
    for range in [first, blocks, rest].into_iter().flatten() {
        map.push([inside, range.start, range.count]);
        inside = inside.saturating_add(range.count);
    }
    map
}

/// Ranges by purpose.
struct Split {
    /// With the user's own id the first block, which is for the node.
    first: Vec<IdRange>,
    /// Whole blocks.
    blocks: Vec<IdRange>,
    /// Remainders that are too small for a block.
    rest: Vec<IdRange>,
}

fn split_ranges(ranges: &[IdRange]) -> Split {
    let mut missing = BLOCK - 1;
    let mut split = Split { first: Vec::new(), blocks: Vec::new(), rest: Vec::new() };
    for range in ranges {
        let first = range.count.min(missing);
        missing -= first;
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

/// The ranges that exist in this process's user namespace. Root without any gets all ids of the namespace but root.
fn usable_ranges(found: Result<Vec<IdRange>, IdMapError>, map: Option<&[IdRange]>) -> Result<Vec<IdRange>, IdMapError> {
    let Some(map) = map else { return found };
    let all_but_root = IdRange { start: 1, count: u32::MAX - 1 };
    let (ranges, error) = match found {
        Ok(ranges) => (intersect_ranges(&ranges, map), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    match error {
        _ if ranges.is_empty() && nix::unistd::geteuid().is_root() => Ok(intersect_ranges(&[all_but_root], map)),
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
        let two_ranges = ids(&[(100_000, 65536), (524_288, 2 * 65536)]);
        let expected = vec![[0, 1000, 1], [1, 100_000, 65535], [65536, 524_288, 131_072], [196_608, 165_535, 1]];
        assert_eq!(render_map(1000, &two_ranges), expected);
        let one = ids(&[(100_000, 65536 * 3)]);
        assert_eq!(
            render_map(1000, &one),
            [[0, 1000, 1], [1, 100_000, 65535], [65536, 165_535, 131_072], [196_608, 296_607, 1]]
        );
    }

    #[test]
    fn files_keep_their_owners() {
        let maps = |ranges: &[(u32, u32)]| {
            let map = render_map(1000, &ids(ranges));
            IdMaps { uids: map.clone(), gids: map }
        };
        let old = maps(&[(100_000, 65536), (300_000, 2 * 65536)]);
        assert!(old.are_kept_by(&old));
        assert!(old.are_kept_by(&maps(&[(100_000, 65536), (300_000, 2 * 65536), (700_000, 65536)])), "more");
        assert!(!old.are_kept_by(&maps(&[(100_000, 65536)])), "fewer");
        assert!(!old.are_kept_by(&maps(&[(300_000, 2 * 65536), (100_000, 65536)])), "in another order");
        assert!(!old.are_kept_by(&maps(&[(1_000_000, 10 * 65536)])), "others");
        assert_eq!(old.describe(), "100000:65536, 300000:131072");
        assert_eq!(old.entries("bob"), "bob:100000:65536 and bob:300000:131072");
    }

    #[test]
    fn groups_have_names() {
        let groups = "lab:x:1012:alice\n";
        assert_eq!([1012, 7].map(|gid| describe_group(groups, gid)), ["lab (1012)", "7"]);
    }

    proptest! {
        #[test]
        fn every_id_once_and_every_pod_in_one_line(counts in proptest::collection::vec(1_u32..400_000, 1..6)) {
            let ranges: Vec<_> =
                counts.iter().zip(1..).map(|(count, n)| IdRange { start: n * 1_000_000, count: *count }).collect();
            let map = render_map(1000, &ranges);
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
