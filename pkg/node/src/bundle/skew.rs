//! Kubernetes' version skew policy: the kubelet versions that an API server supports.

use semver::Version;

/// Number of minor versions by which a kubelet may be older than the API server.
const OLDER: u64 = 3;

/// Difference of the minor versions of a kubelet and an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// Both have the same minor version.
    Same,
    /// The kubelet is older by this number of minor versions, and supported.
    Older(u64),
    /// The kubelet is older than the policy supports.
    TooOld,
    /// The kubelet is newer than the API server, which the policy does not support.
    Newer,
    /// One of the versions cannot be parsed or is not of Kubernetes 1.
    Unknown,
}

/// Compares the versions of a kubelet and an API server, such as `v1.36.3`.
pub fn compare_versions(kubelet: &str, server: &str) -> Skew {
    let (Some(kubelet), Some(server)) = (parse_minor(kubelet), parse_minor(server)) else { return Skew::Unknown };
    match server.checked_sub(kubelet) {
        None => Skew::Newer,
        Some(0) => Skew::Same,
        Some(by) if by <= OLDER => Skew::Older(by),
        Some(_) => Skew::TooOld,
    }
}

/// The kubelet versions that the API server supports, as text: `v1.33 to v1.36`.
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
