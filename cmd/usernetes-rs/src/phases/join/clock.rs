//! Whether the clocks of this host and of the API server agree: certificates and tokens of pods are valid between two
//! times.

use jiff::SignedDuration;
use usernetes_host::{Finding, Level};

const CHECK: &str = "ClockSkew";
/// Tokens of pods live for an hour, leases for seconds by their own clock; certificates are backdated by 5 minutes.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The server's time has whole seconds, and its answer takes time.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(30);

/// The finding of a clock that is `ahead` of the server's; `None` within the tolerance.
pub(super) fn check_skew(ahead: Option<SignedDuration>, ignored: &[String]) -> Option<Finding> {
    let ahead = ahead.filter(|by| by.abs() > TOLERANCE)?;
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let message = format!("this host's clock is {:#} {side} the control plane's", ahead.abs());
    let hint = "set the clock that is wrong: timedatectl set-ntp true";
    let is_ignored = ignored.iter().any(|name| name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case(CHECK));
    let mut finding = Finding::error(CHECK, message, hint);
    if is_ignored || ahead.abs() <= MAX_SKEW {
        finding.level = Level::Warning;
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_and_message(ahead: SignedDuration, ignored: &[&str]) -> Option<(Level, String)> {
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        check_skew(Some(ahead), &ignored).map(|finding| (finding.level, finding.message))
    }

    #[test]
    fn skew_decides_the_level() {
        let day = SignedDuration::from_hours(25);
        assert_eq!(check_skew(None, &[]), None);
        assert_eq!(level_and_message(SignedDuration::from_secs(2), &[]), None);
        assert_eq!(
            level_and_message(day, &[]),
            Some((Level::Error, "this host's clock is 25h ahead of the control plane's".into()))
        );
        assert_eq!(level_and_message(day, &["clockskew"]).map(|s| s.0), Some(Level::Warning));
        assert_eq!(
            level_and_message(SignedDuration::from_mins(-2), &[]),
            Some((Level::Warning, "this host's clock is 2m behind the control plane's".into()))
        );
    }
}
