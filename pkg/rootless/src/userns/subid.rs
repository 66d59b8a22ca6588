//! Reads subordinate ids: `/etc/subuid`, `/etc/subgid`, and the output of `getsubids`.

use super::error::IdMapError;
use super::propose::add_command;
use super::range::{ENOUGH_IDS, IdRange};
use std::collections::BTreeSet;
use std::process::Command;
use usernetes_host::{CommandExt as _, env, fs};

/// Name of the user: from `/etc/passwd`, `getent` or `id`. Not by `getpwuid`: it loads plugins at run time, which a static
/// program cannot do safely.
pub(crate) fn user_name() -> Result<String, IdMapError> {
    if let Ok(user) = env::user() {
        return Ok(user.name);
    }
    let uid = nix::unistd::getuid().as_raw();
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

/// Ranges of a user, by name and by uid, in the text of /etc/subuid or /etc/subgid.
pub(crate) fn parse_subids(text: &str, user: &str, uid: u32) -> Vec<IdRange> {
    let uid = uid.to_string();
    // newuidmap ignores a line with a carriage return.
    let ranges = text.split('\n').filter(|line| !line.ends_with('\r')).filter_map(parse_entry);
    drop_overlaps(ranges.filter(|(owner, _)| *owner == user || *owner == uid).map(|(_, range)| range))
}

/// Owner, by name or uid, and range of a line of /etc/subuid or /etc/subgid.
pub(crate) fn parse_entry(line: &str) -> Option<(&str, IdRange)> {
    let mut fields = line.trim().split(':');
    Some((fields.next()?, parse_range(fields.next()?, fields.next()?)?))
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
    fn output_of_getsubids() {
        assert_eq!(parse_getsubids("0: alice 100000 65536\n"), [IdRange { start: 100_000, count: 65536 }]);
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
            let _ = parse_getsubids(&text);
        }
    }
}
