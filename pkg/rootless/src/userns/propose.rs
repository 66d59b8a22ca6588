//! Subordinate ids that an administrator may give to a user: none of them is anybody's.

use super::nested::nested;
use super::range::IdRange;
use super::subid::parse_entry;
use std::path::Path;
use std::process::Command;
use usernetes_host::{CommandExt as _, fs};

/// The least id to propose, above those of accounts and of the ranges that useradd gives first.
const LEAST: u64 = 524_288;
/// Ids from here on are negative in programs with signed ids, or reserved.
const END: u64 = 0x7ffe_0000;
/// Where usermod may be, which is not in every user's `PATH`.
const SBIN: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/// As [`SubIds::add_command`](super::SubIds::add_command), also for a user without subordinate ids.
///
/// usermod knows only users of `/etc/passwd`; for those of a directory service, lines are appended to both files.
pub(crate) fn add_command(user: &str, count: u64) -> String {
    if nested().is_some() {
        return format!("start the container with {count} more ids in its user namespace");
    }
    let first = find_free(&read_taken(), count);
    if has_usermod() && is_local(user) {
        let range = format!("{first}-{}", first + count - 1);
        return format!("sudo usermod --add-subuids {range} --add-subgids {range} {user}");
    }
    format!("echo {user}:{first}:{count} | sudo tee -a /etc/subuid /etc/subgid")
}

fn has_usermod() -> bool {
    SBIN.iter().any(|directory| Path::new(directory).join("usermod").exists())
}

fn is_local(user: &str) -> bool {
    let passwd = fs::read_of_system("/etc/passwd").unwrap_or_default();
    passwd.lines().any(|line| line.split(':').next() == Some(user))
}

/// Subordinate ids of all users, and the ids of all accounts and groups that this host knows.
fn read_taken() -> Vec<IdRange> {
    let subids = ["/etc/subuid", "/etc/subgid"].map(|path| fs::read_of_system(path).unwrap_or_default());
    let mut taken: Vec<_> =
        subids.iter().flat_map(|text| text.lines()).filter_map(parse_entry).map(|(_, range)| range).collect();
    for database in ["passwd", "group"] {
        let local = fs::read_of_system(format!("/etc/{database}")).unwrap_or_default();
        let all = Command::new("getent").arg(database).run().unwrap_or_default();
        taken.extend(parse_accounts(&local).chain(parse_accounts(&all)));
    }
    taken
}

/// The uid and the gid, or the gid alone, of lines of passwd's or group's form.
fn parse_accounts(text: &str) -> impl Iterator<Item = IdRange> + '_ {
    let ids = text.lines().flat_map(|line| line.split(':').skip(2).take(2)).filter_map(|field| field.parse().ok());
    ids.map(|start| IdRange { start, count: 1 })
}

/// The first of `count` ids that are free. If there are none, an id that the administrator has to check.
fn find_free(taken: &[IdRange], count: u64) -> u64 {
    let mut taken: Vec<_> = taken.iter().map(|range| (u64::from(range.start), u64::from(range.count))).collect();
    taken.sort_unstable();
    let mut first = LEAST;
    for (start, length) in taken {
        if first + count <= start {
            break;
        }
        first = first.max(start + length);
    }
    if first + count <= END { first } else { LEAST }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free_beside(ranges: &[(u32, u32)], count: u64) -> u64 {
        let taken: Vec<_> = ranges.iter().map(|(start, count)| IdRange { start: *start, count: *count }).collect();
        find_free(&taken, count)
    }

    #[test]
    fn no_id_is_taken_twice() {
        assert_eq!(free_beside(&[(100_000, 65536)], 65536), 524_288);
        assert_eq!(free_beside(&[(530_000, 1), (100_000, 65536)], 65536), 530_001);
        assert_eq!(free_beside(&[(524_288, 65536), (1_000_000, 5)], 65536), 589_824);
        assert_eq!(free_beside(&[(524_288, 65536), (600_000, 5)], 65536), 600_005);
        assert_eq!(free_beside(&[(0, u32::MAX - 1)], 65536), 524_288);
    }

    #[test]
    fn accounts_have_two_ids() {
        let of = |text| parse_accounts(text).map(|range| range.start).collect::<Vec<_>>();
        assert_eq!(of("bob:x:530000:530001::/home/bob:/bin/sh\n+::::::\n"), [530_000, 530_001]);
        assert_eq!(of("lab:x:540000:alice,bob\n"), [540_000]);
    }
}
