//! Reads subordinate ids: `/etc/subuid`, `/etc/subgid`, and the output of `getsubids`.

use super::error::IdMapError;
use super::nested::nested;
use super::range::{ENOUGH_IDS, IdRange};
use std::collections::BTreeSet;
use std::process::Command;
use usernetes_host::{CommandExt as _, fs};

/// Name of the user. Not by `getpwuid`: it loads plugins at run time, which a static program cannot do safely.
pub(crate) fn user_name() -> Result<String, IdMapError> {
    let uid = nix::unistd::getuid().as_raw();
    let passwd = fs::read_of_system("/etc/passwd")?;
    if let Some(name) = parse_user(&passwd, uid) {
        return Ok(name.to_owned());
    }
    let name = Command::new("id").arg("-un").run().map_err(|source| IdMapError::NoName { uid, source })?;
    Ok(name.trim().to_owned())
}

pub(crate) fn read_subids(
    user: &str,
    kind: &'static str,
    path: &str,
    option: &[&str],
) -> Result<Vec<IdRange>, IdMapError> {
    let uid = nix::unistd::getuid().as_raw();
    let mut found = parse_subids(&fs::read_of_system(path)?, user, uid);
    if found.is_empty() {
        // The ids may come from a directory service, which only this program queries.
        let listed = Command::new("getsubids").args(option).arg(user).run().unwrap_or_default();
        found = parse_getsubids(&listed);
    }
    if found.is_empty() {
        return Err(IdMapError::NoSubIds {
            user: user.to_owned(),
            kind,
            path: path.into(),
            hint: add_command(user, ENOUGH_IDS),
        });
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
        let range = parse_range(fields.next()?, fields.next()?)?;
        (owner == user || owner == uid).then_some(range)
    });
    drop_overlaps(ranges)
}

/// Ranges in the output of `getsubids`: `0: alice 100000 65536`.
pub(crate) fn parse_getsubids(text: &str) -> Vec<IdRange> {
    drop_overlaps(text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(2);
        parse_range(fields.next()?, fields.next()?)
    }))
}

fn parse_range(start: &str, count: &str) -> Option<IdRange> {
    let start: u32 = start.trim().parse().ok()?;
    let count = count.trim().parse().ok()?;
    let fits = count > 0 && u32::checked_add(start, count).is_some();
    fits.then_some(IdRange { start, count })
}

/// Keeps the first of two overlapping ranges: the kernel refuses a map with overlaps.
fn drop_overlaps(ranges: impl Iterator<Item = IdRange>) -> Vec<IdRange> {
    let mut kept: BTreeSet<IdRange> = BTreeSet::new();
    ranges
        .filter(|new| {
            let overlaps = |old: &IdRange| new.start < old.start + old.count && old.start < new.start + new.count;
            !kept.iter().any(overlaps) && kept.insert(*new)
        })
        .collect()
}

/// As [`SubIds::add_command`](super::SubIds::add_command), also for a user without subordinate ids.
pub(crate) fn add_command(user: &str, count: u64) -> String {
    if nested().is_some() {
        return format!("start the container with {count} more ids in its user namespace");
    }
    let texts = ["/etc/subuid", "/etc/subgid"].map(|path| fs::read_of_system(path).unwrap_or_default());
    let first = first_free(&texts.join("\n"), count);
    let range = format!("{first}-{}", first + count - 1);
    format!("sudo usermod --add-subuids {range} --add-subgids {range} {user}")
}

/// The first id above those of all users. If too few are left there, an id that the administrator has to check.
fn first_free(text: &str, count: u64) -> u64 {
    const LEAST: u64 = 524_288;
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':').skip(1);
        parse_range(fields.next()?, fields.next()?)
    });
    let end = ranges.map(|range| u64::from(range.start) + u64::from(range.count)).max().unwrap_or(0).max(LEAST);
    if u32::try_from(end + count).is_ok() { end } else { LEAST }
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
