//! Durations as Kubernetes writes them: `24h0m0s`, `500ms`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A span of time, in Go's notation (`time.ParseDuration`); at least a nanosecond long or zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(pub std::time::Duration);

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
        let wrong = || format!("{s:?} is not a duration such as 24h, 90m or 500ms");
        let mut rest = s;
        let mut nanos: f64 = 0.0;
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let value: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            nanos += value
                * match &rest[..end] {
                    "ns" => 1.0,
                    "us" | "µs" => 1e3,
                    "ms" => 1e6,
                    "s" => 1e9,
                    "m" => 60e9,
                    "h" => 3600e9,
                    _ => return Err(wrong()),
                };
            rest = &rest[end..];
        }
        std::time::Duration::try_from_secs_f64(nanos / 1e9).map(Self).map_err(|_| wrong())
    }
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
        if seconds == 0 && nanos > 0 {
            return write!(f, "{}ms", f64::from(nanos) / 1e6);
        }
        let (h, m) = (seconds / 3600, seconds / 60 % 60);
        if h > 0 {
            write!(f, "{h}h")?;
        }
        if h > 0 || m > 0 {
            write!(f, "{m}m")?;
        }
        #[expect(clippy::cast_precision_loss, reason = "below 60")]
        let s = (seconds % 60) as f64 + f64::from(nanos) / 1e9;
        write!(f, "{s}s")
    }
}
