//! Which kubelet may speak to which API server: Kubernetes' version skew policy.

use semver::Version;

/// How many minors a kubelet may be older than the API server.
const OLDER: u64 = 3;

/// A kubelet beside an API server; only minors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// The same minor.
    Same,
    /// So many minors older, and supported.
    Older(u64),
    /// Older than what is supported.
    TooOld,
    /// Newer, which never works.
    Newer,
    /// One of the two is no version of Kubernetes 1.
    Unknown,
}

/// Compares two versions such as `v1.36.3`.
pub fn compare_versions(kubelet: &str, server: &str) -> Skew {
    let (Some(kubelet), Some(server)) = (parse_minor(kubelet), parse_minor(server)) else { return Skew::Unknown };
    match server.checked_sub(kubelet) {
        None => Skew::Newer,
        Some(0) => Skew::Same,
        Some(by) if by <= OLDER => Skew::Older(by),
        Some(_) => Skew::TooOld,
    }
}

/// The oldest and the newest minor of a kubelet for that API server, for people.
pub(crate) fn supported_range(server: &str) -> Option<String> {
    let newest = parse_minor(server)?;
    Some(format!("v1.{} to v1.{newest}", newest.saturating_sub(OLDER)))
}

fn parse_minor(version: &str) -> Option<u64> {
    let version = Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
    Some(version.minor).filter(|_| version.major == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy() {
        let server = "v1.36.3";
        assert_eq!(compare_versions("v1.36.3", server), Skew::Same);
        assert_eq!(compare_versions("v1.36.9", server), Skew::Same, "patch releases do not count");
        assert_eq!(compare_versions("v1.35.0", server), Skew::Older(1));
        assert_eq!(compare_versions("1.33.12", server), Skew::Older(3));
        assert_eq!(compare_versions("v1.32.0", server), Skew::TooOld);
        assert_eq!(compare_versions("v1.37.0-alpha.1", server), Skew::Newer);
        assert_eq!(compare_versions("v2.0.0", server), Skew::Unknown);
        assert_eq!(compare_versions("latest", server), Skew::Unknown);
        assert_eq!(supported_range(server).as_deref(), Some("v1.33 to v1.36"));
    }
}
