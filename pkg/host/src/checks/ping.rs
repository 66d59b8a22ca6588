//! Whether this user may send echo requests (RFC 792), which the network driver does for pods.

use crate::{Finding, env};

const CHECK: &str = "PingGroups";

/// Whether one of the user's groups is in `net.ipv4.ping_group_range`.
pub fn ping_groups() -> Finding {
    let mut groups = nix::unistd::getgroups().unwrap_or_default();
    groups.push(nix::unistd::getegid());
    let groups: Vec<u32> = groups.into_iter().map(nix::unistd::Gid::as_raw).collect();
    check_groups(env::ping_groups(), &groups)
}

fn check_groups(allowed: Option<(u32, u32)>, groups: &[u32]) -> Finding {
    match allowed {
        Some((first, last)) if !groups.iter().any(|group| (first..=last).contains(group)) => Finding::warning(
            CHECK,
            format!(
                "ping out of pods gets no answer: net.ipv4.ping_group_range is \"{first} {last}\", without a group of this user"
            ),
            "printf 'net.ipv4.ping_group_range=0 2147483647\\n' | sudo tee /etc/sysctl.d/99-usernetes-ping.conf && sudo sysctl --system",
        ),
        _ => Finding::passed(CHECK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn one_group_suffices() {
        assert_eq!(check_groups(Some((0, 2_147_483_647)), &[1000]).level, Level::Passed);
        assert_eq!(check_groups(Some((100, 200)), &[1000, 150]).level, Level::Passed);
        assert_eq!(check_groups(None, &[1000]).level, Level::Passed, "a kernel without the setting");
        assert_eq!(check_groups(Some((1, 0)), &[0, 1, 1000]).level, Level::Warning, "the kernel's default");
    }
}
