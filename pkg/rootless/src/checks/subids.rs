//! Check of the user's subordinate ids.

use crate::userns::{ENOUGH_IDS, IdRange, SUBGID, SUBUID, SubIds, add_command, nested, parse_entry};
use usernetes_host::{Finding, fs};

const CHECK: &str = "SubID";

/// There are enough subordinate ids, and no other account has them.
pub(super) fn check_subids() -> Finding {
    if let Some(finding) = check_line_ends() {
        return finding;
    }
    let ids = match SubIds::current() {
        Ok(ids) => ids,
        Err(error) => {
            let user = std::env::var("USER").unwrap_or_else(|_| "$USER".to_owned());
            let hint = error.hint().unwrap_or_else(|| add_command(&user, ENOUGH_IDS));
            return Finding::error(CHECK, error.to_string(), hint);
        }
    };
    if !ids.suffice() {
        let (uids, gids) = ids.totals();
        let message =
            format!("{} has {uids} subordinate uids and {gids} gids; {ENOUGH_IDS} of each are needed", ids.user);
        // A container may have fewer ids, and most images use few.
        let finding = if nested().is_some() { Finding::warning } else { Finding::error };
        return finding(CHECK, message, ids.add_command(ENOUGH_IDS));
    }
    if nested().is_some() {
        return Finding::passed(CHECK);
    }
    check_owners(&ids)
}

/// newuidmap and newgidmap ignore lines that an editor of another system has written.
fn check_line_ends() -> Option<Finding> {
    let is_foreign = |path: &&str| fs::read_of_system(path).is_ok_and(|text| text.contains("\r\n"));
    let path = [SUBUID, SUBGID].into_iter().find(is_foreign)?;
    let message = format!("lines of {path} end with a carriage return (CRLF): newuidmap ignores them");
    Some(Finding::error(CHECK, message, "sudo sed -i 's/\\r$//' /etc/subuid /etc/subgid"))
}

/// Ids that an account or another user's range has as well: the node works, and a process of a pod may have them.
fn check_owners(ids: &SubIds) -> Finding {
    let own = [nix::unistd::getuid().as_raw(), nix::unistd::getegid().as_raw()];
    let mut conflicts = Vec::new();
    for (path, accounts, own) in [(SUBUID, "/etc/passwd", own[0]), (SUBGID, "/etc/group", own[1])] {
        let [subids, accounts] = [path, accounts].map(|path| fs::read_of_system(path).unwrap_or_default());
        let owner = Owner { name: &ids.user, uid: nix::unistd::getuid().to_string(), own };
        conflicts.extend(owner.find_conflict(&subids, &accounts).map(|why| format!("{path}: {why}")));
    }
    if conflicts.is_empty() {
        return Finding::passed(CHECK);
    }
    let hint = format!(
        "{}, then remove those lines of {} from /etc/subuid and /etc/subgid, before init",
        add_command(&ids.user, ENOUGH_IDS),
        ids.user
    );
    Finding::warning(CHECK, conflicts.join("; "), hint)
}

/// The user whose lines are looked at.
struct Owner<'a> {
    name: &'a str,
    uid: String,
    /// The user's own id of this kind.
    own: u32,
}

impl Owner<'_> {
    /// The first line with ids that are not the user's alone, in words.
    fn find_conflict(&self, subids: &str, accounts: &str) -> Option<String> {
        let entries: Vec<_> = subids.lines().filter_map(|line| Some((line.trim(), parse_entry(line)?))).collect();
        let (own, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, (owner, _))| *owner == self.name || *owner == self.uid);
        for (line, (_, range)) in own {
            if range.contains(self.own) {
                return Some(format!("{line} holds {}, the own id of {}, which is left out", self.own, self.name));
            }
            if let Some((name, id)) = find_account(accounts, range) {
                return Some(format!("{line} holds {id}, the id of {name}: a pod can have the rights of {name}"));
            }
            let overlapping = others.iter().find(|(_, (_, other))| range.overlaps(*other));
            if let Some((other, _)) = overlapping {
                return Some(format!("{line} and {other} overlap: pods of both users have the same ids"));
            }
        }
        None
    }
}

/// Name and id of the first line of passwd's or group's form whose id is in the range.
fn find_account(accounts: &str, range: IdRange) -> Option<(&str, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id = fields.nth(1)?.parse().ok()?;
        range.contains(id).then_some((name, id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_others_are_named() {
        let accounts = "bob:x:100500:100500::/home/bob:/bin/sh\ncarol:x:201000:201000::/:/bin/sh\n";
        let conflict =
            |subids: &str| Owner { name: "bob", uid: "100500".into(), own: 100_500 }.find_conflict(subids, accounts);
        let lines = [
            "# by hand\n\nbob:300000:65536\nalice:400000:65536\n",
            "bob:100500:1\nbob:300000:65536\n",
            "100500:200000:65536\n",
            "alice:300000:65536\nbob:310000:65536\n",
        ];
        let found: Vec<_> = lines.iter().map(|text| conflict(text).unwrap_or_default()).collect();
        insta::assert_snapshot!(found.join("\n"), @r"

        bob:100500:1 holds 100500, the own id of bob, which is left out
        100500:200000:65536 holds 201000, the id of carol: a pod can have the rights of carol
        bob:310000:65536 and alice:300000:65536 overlap: pods of both users have the same ids
        ");
    }
}
