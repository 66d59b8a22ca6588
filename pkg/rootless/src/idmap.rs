//! Subordinate ids of the user, and the maps made from them.

use crate::nested::{clip, nested};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use usernetes_host::fs::Context as _;
use usernetes_host::{CommandError, CommandExt as _, FsError, fs};

/// What one image of an ordinary distribution may use.
pub(crate) const ENOUGH_IDS: u64 = 65536;

/// Ids cannot be found or mapped.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FsError),
    /// The user has no name in /etc/passwd and `id` does not know it.
    #[error("cannot find the name of uid {uid}")]
    NoName {
        /// Which uid.
        uid: u32,
        /// Why.
        source: CommandError,
    },
    /// The user has no subordinate ids.
    #[error("user {user} has no subordinate {kind}s in {}", path.display())]
    NoSubIds {
        /// Which user.
        user: String,
        /// `uid` or `gid`.
        kind: &'static str,
        /// Where they should be.
        path: PathBuf,
    },
    /// newuidmap or newgidmap failed.
    #[error(transparent)]
    Helper(#[from] CommandError),
}

/// A range of subordinate ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    /// First id on the host.
    pub start: u32,
    /// How many.
    pub count: u32,
}

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

/// See [`SubIds::add_command`], also for a user without any.
pub(crate) fn add_command(user: &str, count: u64) -> String {
    if nested().is_some() {
        return format!("start the container with {count} more ids in the maps of its user namespace");
    }
    let read = |path| fs::read_if_exists(path).ok().flatten().unwrap_or_default();
    let first = first_free(&[read("/etc/subuid"), read("/etc/subgid")].join("\n"), count);
    let range = format!("{first}-{}", first + count - 1);
    format!("sudo usermod --add-subuids {range} --add-subgids {range} {user}")
}

/// An id behind those of every user. Where none is left there, one that an administrator has to check.
fn first_free(text: &str, count: u64) -> u64 {
    const LEAST: u64 = 524_288;
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':').skip(1);
        range(fields.next()?, fields.next()?)
    });
    let end = ranges.map(|range| u64::from(range.start) + u64::from(range.count)).max().unwrap_or(0).max(LEAST);
    if u32::try_from(end + count).is_ok() { end } else { LEAST }
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

/// Our own id becomes 0, every range is appended from 1 on: first id inside, first id outside, how many.
fn map(own: u32, ranges: &[IdRange]) -> Vec<[u32; 3]> {
    let mut inside = 1_u32;
    let mut map = vec![[0, own, 1]];
    for range in ranges {
        map.push([inside, range.start, range.count]);
        inside = inside.saturating_add(range.count);
    }
    map
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

/// The user's name. Not by `getpwuid`: it loads plugins at run time, which a static program cannot do safely.
fn user_name() -> Result<String, IdMapError> {
    let uid = nix::unistd::getuid().as_raw();
    let passwd = fs::read_if_exists("/etc/passwd")?.unwrap_or_default();
    if let Some(name) = parse_user(&passwd, uid) {
        return Ok(name.to_owned());
    }
    let name = Command::new("id").arg("-un").run().map_err(|source| IdMapError::NoName { uid, source })?;
    Ok(name.trim().to_owned())
}

fn ranges(user: &str, kind: &'static str, path: &str, option: &[&str]) -> Result<Vec<IdRange>, IdMapError> {
    let uid = nix::unistd::getuid().as_raw();
    let mut found = parse_subids(&fs::read_if_exists(path)?.unwrap_or_default(), user, uid);
    if found.is_empty() {
        // The ids may come from a directory service, which only this program asks.
        let listed = Command::new("getsubids").args(option).arg(user).run().unwrap_or_default();
        found = parse_getsubids(&listed);
    }
    if found.is_empty() {
        return Err(IdMapError::NoSubIds { user: user.to_owned(), kind, path: path.into() });
    }
    Ok(found)
}

/// Name of a uid in the text of /etc/passwd.
pub(crate) fn parse_user(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// Ranges of a user, by name and by uid, in the text of /etc/subuid or /etc/subgid.
pub(crate) fn parse_subids(text: &str, user: &str, uid: u32) -> Vec<IdRange> {
    let uid = uid.to_string();
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let range = range(fields.next()?, fields.next()?)?;
        (owner == user || owner == uid).then_some(range)
    });
    disjoint(ranges)
}

/// Ranges in the output of `getsubids`: `0: alice 100000 65536`.
pub(crate) fn parse_getsubids(text: &str) -> Vec<IdRange> {
    disjoint(text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(2);
        range(fields.next()?, fields.next()?)
    }))
}

fn range(start: &str, count: &str) -> Option<IdRange> {
    let (start, count) = (start.trim().parse().ok()?, count.trim().parse().ok()?);
    let fits = count > 0 && u32::checked_add(start, count).is_some();
    fits.then_some(IdRange { start, count })
}

/// The kernel refuses a map with overlaps: the first of two overlapping ranges stays.
fn disjoint(ranges: impl Iterator<Item = IdRange>) -> Vec<IdRange> {
    let mut taken: BTreeSet<IdRange> = BTreeSet::new();
    ranges
        .filter(|new| {
            let overlaps = |old: &IdRange| new.start < old.start + old.count && old.start < new.start + new.count;
            !taken.iter().any(overlaps) && taken.insert(*new)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBUID: &str =
        "alice:100000:65536\nbob:200000:10\n1000:300000:5\nalice:100000:65536\nalice:150000:9\nbad:1\n";

    #[test]
    fn ranges_by_name_and_uid_without_overlaps() {
        let expected = [IdRange { start: 100_000, count: 65536 }, IdRange { start: 300_000, count: 5 }];
        assert_eq!(parse_subids(SUBUID, "alice", 1000), expected);
        assert_eq!(parse_subids(SUBUID, "carol", 1001), []);
    }

    #[test]
    fn getsubids_and_passwd() {
        assert_eq!(parse_getsubids("0: alice 100000 65536\n"), [IdRange { start: 100_000, count: 65536 }]);
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(parse_user(passwd, 1000), Some("alice"));
        assert_eq!(parse_user(passwd, 1001), None);
    }

    #[test]
    fn more_ids_come_from_a_free_range() {
        assert_eq!(first_free(SUBUID, 65536), 524_288);
        assert_eq!(first_free("alice:100000:65536\nbob:1000000:65536\n", 65536), 1_065_536);
        assert_eq!(first_free("root:0:4294967294\n", 65536), 524_288);
    }

    #[test]
    fn own_id_is_root_and_ranges_follow() {
        let ranges = [IdRange { start: 100_000, count: 65536 }, IdRange { start: 300_000, count: 5 }];
        let command = map_command("newuidmap", 7, 1000, &ranges);
        let words: Vec<_> = command.get_args().map(|w| w.to_string_lossy()).collect();
        insta::assert_snapshot!(words.join(" "), @"7 0 1000 1 1 100000 65536 65537 300000 5");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_ranges_never_overlap(text in "([a-c]:[0-9]{1,10}:[0-9]{1,10}\n|\\PC*\n)*") {
            let found = parse_subids(&text, "a", 1);
            for (i, a) in found.iter().enumerate() {
                for b in &found[i + 1..] {
                    prop_assert!(a.start + a.count <= b.start || b.start + b.count <= a.start);
                }
            }
            let _ = (parse_getsubids(&text), parse_user(&text, 0));
        }
    }
}
