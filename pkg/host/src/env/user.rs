//! The user of this process, without NSS: a static binary cannot load its modules, so users that are not in `/etc/passwd`
//! are looked up by `getent`.

use super::EnvError;
use crate::{CommandExt as _, fs};
use std::path::PathBuf;
use std::process::Command;

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Uid.
    pub uid: u32,
    /// Primary gid.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// The user of this process.
pub fn current() -> Result<User, EnvError> {
    by_uid(nix::unistd::getuid().as_raw())
}

pub(crate) fn by_uid(uid: u32) -> Result<User, EnvError> {
    let local = find_user(&fs::read_of_system("/etc/passwd")?, uid);
    let user = local.or_else(|| find_user(&Command::new("getent").args(["passwd", &uid.to_string()]).run().ok()?, uid));
    user.ok_or(EnvError::NoUser { uid })
}

/// The line of `uid` in text of `/etc/passwd`'s form.
fn find_user(text: &str, uid: u32) -> Option<User> {
    text.lines().filter_map(parse_user).find(|user| user.uid == uid)
}

fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, _] = fields[..] else { return None };
    Some(User { name: name.into(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd() {
        let text = "root:x:0:0:root:/root:/bin/bash\n+::::::\n# note\nalice:x:1000:1001:Alice,,,:/home/alice:/bin/sh\n";
        let alice = User { name: "alice".into(), uid: 1000, gid: 1001, home: "/home/alice".into() };
        assert_eq!(find_user(text, 1000), Some(alice));
        assert_eq!(find_user(text, 7), None);
    }

    #[test]
    fn an_unknown_uid_is_named() {
        assert_eq!(
            by_uid(4_000_000_001).expect_err("no such user").to_string(),
            "no user has the uid 4000000001, neither in /etc/passwd nor for getent"
        );
    }
}
