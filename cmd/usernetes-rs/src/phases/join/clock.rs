//! Whether the clocks of this host and of the API server agree: certificates and the tokens of pods are valid from one
//! moment to another.

use jiff::SignedDuration;
use usernetes_host::{Finding, Level};

const CHECK: &str = "ClockSkew";
/// Tokens of pods live for an hour, leases for seconds by their own clock; certificates are backdated by 5 minutes.
const TOO_MUCH: SignedDuration = SignedDuration::from_mins(5);
/// The server's time has whole seconds, and the answer took a while.
const NOTHING: SignedDuration = SignedDuration::from_secs(30);

/// What to say of a clock that is so much ahead of the server's, if anything.
pub(super) fn finding(ahead: Option<SignedDuration>, ignored: &[String]) -> Option<Finding> {
    let ahead = ahead.filter(|by| by.abs() > NOTHING)?;
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let message = format!("this host's clock is {:#} {side} the control plane's", ahead.abs());
    let cure = "set the clock that is wrong: timedatectl set-ntp true";
    let is_ignored = ignored.iter().any(|name| name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case(CHECK));
    let mut finding = Finding::error(CHECK, message, cure);
    if is_ignored || ahead.abs() <= TOO_MUCH {
        finding.level = Level::Warning;
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(ahead: SignedDuration, ignored: &[&str]) -> Option<(Level, String)> {
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        finding(Some(ahead), &ignored).map(|finding| (finding.level, finding.message))
    }

    #[test]
    fn by_how_much() {
        let day = SignedDuration::from_hours(25);
        assert_eq!(finding(None, &[]), None);
        assert_eq!(said(SignedDuration::from_secs(2), &[]), None);
        assert_eq!(
            said(day, &[]),
            Some((Level::Error, "this host's clock is 25h ahead of the control plane's".into()))
        );
        assert_eq!(said(day, &["clockskew"]).map(|s| s.0), Some(Level::Warning));
        assert_eq!(
            said(SignedDuration::from_mins(-2), &[]),
            Some((Level::Warning, "this host's clock is 2m behind the control plane's".into()))
        );
    }
}
