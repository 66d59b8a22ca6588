//! What the caller hands down to a node that no service manager starts, as far as the node cannot change it.

use crate::{Finding, fs};
use nix::sys::resource::{Resource, getrlimit};

const GIB: u64 = 1 << 30;
/// Hard limits below which components fail: the option of `ulimit`, the least value, and what the limit is.
const LIMITS: [(Resource, &str, u64, &str); 4] = [
    (Resource::RLIMIT_AS, "as", 16 * GIB, "bytes of address space"),
    (Resource::RLIMIT_DATA, "data", 4 * GIB, "bytes of data"),
    (Resource::RLIMIT_FSIZE, "fsize", 8 * GIB, "bytes in a file"),
    (Resource::RLIMIT_CPU, "cpu", 10 * 365 * 86400, "seconds of processor time"),
];
/// Field of `/proc/PID/stat`, counted from the state: the scheduling policy, and its values for batch and idle work.
const POLICY_FIELD: usize = 38;
const BACKGROUND_POLICIES: [&str; 2] = ["3", "5"];
const NICE_FIELD: usize = 16;
/// A session of a desktop has 200.
const GOOD_OOM_SCORE: i32 = 300;

/// Checks `ResourceLimits` and `Priority`, unless a service manager starts the node, which hands down its own; and
/// `NewPrivileges`.
pub fn inherited(by_manager: bool) -> Vec<Finding> {
    let status = fs::read_of_system("/proc/self/status").unwrap_or_default();
    let mut findings = vec![check_new_privileges(&status)];
    if !by_manager {
        let found = LIMITS.map(|(resource, ..)| getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard));
        let score = fs::read_of_system("/proc/self/oom_score_adj").unwrap_or_default();
        findings.push(check_limits(found));
        findings.push(check_priority(&fs::read_of_system("/proc/self/stat").unwrap_or_default(), &score));
    }
    findings
}

/// `newuidmap` needs the rights of its file, which a process with `no_new_privs` does not get.
fn check_new_privileges(status: &str) -> Finding {
    const CHECK: &str = "NewPrivileges";
    let denied = status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"]));
    if !denied {
        return Finding::passed(CHECK);
    }
    let message = "this process may not gain privileges (no_new_privs), so newuidmap cannot write id maps";
    Finding::error(
        CHECK,
        message,
        "run it in a login shell, outside of the sandbox (snap, Flatpak, firejail, NoNewPrivileges=)",
    )
}

fn check_limits(found: [u64; LIMITS.len()]) -> Finding {
    const CHECK: &str = "ResourceLimits";
    let low = LIMITS.iter().zip(found).filter(|((_, _, least, _), found)| found < least);
    let (messages, items): (Vec<_>, Vec<_>) =
        low.map(|((_, item, _, what), found)| (format!("{found} {what}"), *item)).unzip();
    if messages.is_empty() {
        return Finding::passed(CHECK);
    }
    let lines: Vec<_> = items.iter().map(|item| format!("$USER hard {item} unlimited")).collect();
    Finding::error(
        CHECK,
        format!("each process of the node may have at most {}", messages.join(", ")),
        format!(
            "printf '%s\\n' \"{}\" | sudo tee /etc/security/limits.d/99-usernetes-limits.conf, and log in again",
            lines.join("\" \"")
        ),
    )
}

/// `stat` and `score` are the texts of `/proc/self/stat` and `/proc/self/oom_score_adj`.
fn check_priority(stat: &str, score: &str) -> Finding {
    const CHECK: &str = "Priority";
    // The second field is the program's name, which may have spaces and parentheses.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let nice: i32 = fields.get(NICE_FIELD).and_then(|nice| nice.parse().ok()).unwrap_or_default();
    let score: i32 = score.trim().parse().unwrap_or_default();
    let mut low = Vec::new();
    if nice > 0 {
        low.push(format!("nice {nice}"));
    }
    if fields.get(POLICY_FIELD).is_some_and(|policy| BACKGROUND_POLICIES.contains(policy)) {
        low.push("the scheduling of background work".to_owned());
    }
    if score > GOOD_OOM_SCORE {
        low.push(format!("oom_score_adj {score}"));
    }
    if low.is_empty() {
        return Finding::passed(CHECK);
    }
    let message = format!("the node will have {}, as this process has: other processes go first", low.join(" and "));
    Finding::warning(CHECK, message, "run it in a shell without nice, chrt, ionice or choom")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn limits_of_the_caller() {
        assert_eq!(check_limits([u64::MAX; 4]).level, Level::Passed);
        let low = check_limits([u64::MAX, u64::MAX, 1 << 20, 3600]);
        assert_eq!(low.level, Level::Error);
        assert_eq!(
            low.message,
            "each process of the node may have at most 1048576 bytes in a file, 3600 seconds of processor time"
        );
        assert!(
            low.hint.is_some_and(|hint| hint.contains("\"$USER hard fsize unlimited\" \"$USER hard cpu unlimited\""))
        );
    }

    #[test]
    fn priorities_of_the_caller() {
        let stat = |nice: &str, policy: &str| {
            format!("7 (a (b) c) S {} {nice} {} {policy} 0", "1 ".repeat(15), "1 ".repeat(21))
        };
        assert_eq!(check_priority(&stat("0", "0"), "200\n").level, Level::Passed);
        assert_eq!(check_priority("", "").level, Level::Passed);
        let low = check_priority(&stat("10", "5"), "800\n");
        assert_eq!(low.level, Level::Warning);
        assert!(low.message.contains("nice 10 and the scheduling of background work and oom_score_adj 800"), "{low:?}");
    }

    #[test]
    fn sandboxes_are_named() {
        assert_eq!(check_new_privileges("Name:\tx\nNoNewPrivs:\t0\n").level, Level::Passed);
        assert_eq!(check_new_privileges("Name:\tx\nNoNewPrivs:\t1\n").level, Level::Error);
    }
}
