//! Durations as Kubernetes writes them: `24h0m0s`, `500ms`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A span of time, in Go's notation (`time.ParseDuration`); at least a nanosecond long or zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(pub std::time::Duration);

const SECOND: u128 = 1_000_000_000;

impl Duration {
    /// That many minutes.
    pub const fn minutes(n: u64) -> Self {
        Self(std::time::Duration::from_secs(n * 60))
    }

    /// That many hours.
    pub const fn hours(n: u64) -> Self {
        Self::minutes(n * 60)
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let nanos = if s == "0" { Some(0) } else { parse_nanos(s) };
        // Go counts nanoseconds in an i64: what it cannot read must not reach a component.
        let nanos = nanos.filter(|&n| n <= u128::from(i64::MAX.unsigned_abs()));
        let nanos = nanos.ok_or_else(|| format!("{s:?} is not a duration such as 24h, 90m or 500ms"))?;
        Ok(Self(std::time::Duration::from_nanos_u128(nanos)))
    }
}

/// Nanoseconds of `1h30m` and the like.
fn parse_nanos(s: &str) -> Option<u128> {
    let (mut rest, mut nanos) = (s, None::<u128>);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, tail) = rest.split_at(unit_at);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
        nanos = Some(nanos.unwrap_or(0).checked_add(multiply_decimal(value, unit_nanos(unit)?)?)?);
        rest = tail;
    }
    nanos
}

/// `value` times `unit` without the rounding of floating point; digits below a nanosecond are dropped, as in Go.
fn multiply_decimal(value: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    // 18 digits are finer than any unit needs, and times an hour's 3.6e12 ns they still fit.
    let digits = &fraction[..fraction.len().min(18)];
    let numerator: u128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let fraction = numerator * unit / 10u128.pow(u32::try_from(digits.len()).ok()?);
    u128::checked_mul(whole, unit)?.checked_add(fraction)
}

/// The units that `time.ParseDuration` knows, both kinds of mu included.
fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    })
}

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<Duration> for String {
    fn from(d: Duration) -> Self {
        d.to_string()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        match (seconds, nanos) {
            (0, 0) => return f.write_str("0s"),
            (0, 1..1_000) => return write!(f, "{nanos}ns"),
            (0, 1_000..1_000_000) => {
                return write!(f, "{}\u{b5}s", format_decimal((nanos / 1_000).into(), nanos % 1_000, 3));
            }
            (0, _) => return write!(f, "{}ms", format_decimal((nanos / 1_000_000).into(), nanos % 1_000_000, 6)),
            _ => {}
        }
        let (h, m) = (seconds / 3600, seconds / 60 % 60);
        if h > 0 {
            write!(f, "{h}h")?;
        }
        if h > 0 || m > 0 {
            write!(f, "{m}m")?;
        }
        write!(f, "{}s", format_decimal(seconds % 60, nanos, 9))
    }
}

/// `whole.fraction` with the fraction's `digits` digits, zeros at the end left out.
fn format_decimal(whole: u64, fraction: u32, digits: usize) -> String {
    let text = format!("{whole}.{fraction:0digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::Duration;
    use proptest::prelude::*;

    fn nanos(s: &str) -> Option<u128> {
        s.parse::<Duration>().ok().map(|d| d.0.as_nanos())
    }

    #[test]
    fn texts_mean_what_go_says() {
        let right = [
            ("0", 0),
            ("0s", 0),
            ("24h", 86_400_000_000_000),
            ("1h0m0.5s", 3_600_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("3us", 3_000),
            ("3\u{b5}s", 3_000),
            ("3\u{3bc}s", 3_000),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
        ];
        for (text, want) in right {
            assert_eq!(nanos(text), Some(want), "{text}");
        }
        for wrong in [
            "",
            "1",
            "h",
            ".s",
            "1..5s",
            "1.5.5s",
            "-1s",
            "1 h",
            "1d",
            "1h 2m",
            "9223372036854775808ns",
            "99999999999999999999h",
        ] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        let d = |nanos| Duration(std::time::Duration::from_nanos(nanos)).to_string();
        assert_eq!(d(0), "0s");
        assert_eq!(d(1), "1ns");
        assert_eq!(d(1_100), "1.1\u{b5}s");
        assert_eq!(d(2_200_000), "2.2ms");
        assert_eq!(d(500_000_000), "500ms");
        assert_eq!(d(3_300_000_000), "3.3s");
        assert_eq!(d(245_000_000_000), "4m5s");
        assert_eq!(d(245_001_000_000), "4m5.001s");
        assert_eq!(d(10_000_000_000), "10s");
        assert_eq!(Duration::hours(24).to_string(), "24h0m0s");
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(n in 0..=i64::MAX.unsigned_abs(), shift in 0u32..63) {
            let d = Duration(std::time::Duration::from_nanos(n >> shift));
            prop_assert_eq!(d.to_string().parse(), Ok(d));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.hmsnu\u{b5} -]{0,40}") {
            let _ = text.parse::<Duration>();
        }
    }
}
