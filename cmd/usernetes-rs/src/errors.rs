//! Errors that decide the exit code, and hints that travel beside an error.

use std::error::Error;
use std::io::ErrorKind;
use usernetes_api::ConfigError;
use usernetes_cluster::discovery::{DiscoveryError, DiscoveryFileError};
use usernetes_daemon::DaemonError;
use usernetes_host::systemd::SystemdError;
use usernetes_host::{EnvError, Finding, FsError, LockError, ProcessLockError, SharedFileError};
use usernetes_node::bundle::BundleError;
use usernetes_node::bundle::download::DownloadError;
use usernetes_node::bundle::peer::PeerError;
use usernetes_node::cri::MissingProgramError;
use usernetes_node::image_store::ImageError;
use usernetes_node::{PlanError, PrepareError};
use usernetes_pki::{JoinTokenError, PkiError};
use usernetes_rootless::PortError;
use usernetes_rootless::control::ControlError;

/// The command line is wrong. Exit code 64.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// A phase that is not in the workflow's table.
    #[error("no phase {path:?}; phases are: {known}")]
    UnknownPhase {
        /// The path that was given.
        path: String,
        /// All paths.
        known: String,
    },
    /// Flags that exclude each other, or one that is missing.
    #[error("{0}")]
    Flags(String),
    /// The cluster to join is not given, or not completely.
    #[error("{message}")]
    Target {
        /// What is missing.
        message: String,
        /// Where to get it.
        hint: &'static str,
    },
    /// A join token that is truncated or changed.
    #[error("cannot read the join token")]
    JoinToken(#[source] JoinTokenError),
}

impl UsageError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Target { hint, .. } => Some((*hint).to_owned()),
            Self::UnknownPhase { .. } | Self::Flags(_) | Self::JoinToken(_) => None,
        }
    }
}

/// A configuration file that cannot be read. Exit code 3, as for one that is not valid.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct UnreadableConfig(pub(crate) FsError);

impl UnreadableConfig {
    fn hint(&self) -> Option<String> {
        let path = self.0.path.display();
        match self.0.source.kind() {
            ErrorKind::NotFound => Some(format!(
                "pass an existing file with --config; usernetes-rs config print > {path} writes init's, with every default"
            )),
            _ => self
                .0
                .hint()
                .or_else(|| Some(format!("pass a file of YAML documents with --config; {path} is not one"))),
        }
    }
}

/// Checks of the host failed. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{} of the checks failed", .0.len())]
pub(crate) struct PreflightFailed(pub(crate) Vec<Finding>);

/// An error with a hint of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    /// What went wrong.
    pub(crate) message: String,
    /// The exact command or edit.
    pub(crate) hint: String,
    source: Option<anyhow::Error>,
}

impl Hinted {
    /// An error with its hint.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), source: None }
    }

    /// The same, caused by another error.
    pub(crate) fn caused_by(self, source: impl Into<anyhow::Error>) -> anyhow::Error {
        Self { source: Some(source.into()), ..self }.into()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature of all hints")]
    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

/// The hints of an error and its causes. The innermost comes first: it is the most specific.
pub(crate) fn collect_hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in error.chain().filter_map(find_hint) {
        // An error that wraps another may repeat its hint.
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.reverse();
    hints
}

/// Asks every error type with a hint; `tests/workspace.rs` fails for one that is not listed.
fn find_hint(error: &(dyn Error + 'static)) -> Option<String> {
    macro_rules! ask {
        ($($kind:ty),* $(,)?) => {
            None$(.or_else(|| error.downcast_ref::<$kind>().and_then(<$kind>::hint)))*
        };
    }
    ask! {
        Hinted,
        UsageError,
        ConfigError,
        UnreadableConfig,
        FsError,
        EnvError,
        LockError,
        ProcessLockError,
        SharedFileError,
        SystemdError,
        BundleError,
        DownloadError,
        PeerError,
        ImageError,
        MissingProgramError,
        PlanError,
        PrepareError,
        PkiError,
        JoinTokenError,
        PortError,
        ControlError,
        DaemonError,
        usernetes_rootless::Error,
        usernetes_rootless::RemoveError,
        usernetes_rootless::IdMapError,
        usernetes_rootless::UsernsError,
        usernetes_rootless::NetworkError,
        usernetes_rootless::control::EndpointError,
        DiscoveryError,
        DiscoveryFileError,
        usernetes_cluster::Error,
    }
}

/// 1 failure, 2 preflight, 3 validation, 64 usage.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(1)
}

fn code_of(error: &(dyn Error + 'static)) -> Option<u8> {
    if error.is::<UsageError>() {
        Some(64)
    } else if error.is::<ConfigError>()
        || error.is::<UnreadableConfig>()
        || matches!(error.downcast_ref(), Some(DaemonError::Config(_)))
        || matches!(error.downcast_ref(), Some(EnvError::AmbiguousHostIp { .. } | EnvError::HostIpBehindNat { .. }))
    {
        Some(3)
    } else if error.is::<PreflightFailed>() || matches!(error.downcast_ref(), Some(DaemonError::SubIdsChanged { .. })) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn every_library_is_asked_for_its_hint() {
        let of = |error: anyhow::Error| collect_hints(&Err::<(), _>(error).context("outer").unwrap_err());
        let full =
            || FsError { action: "write", path: "/proc/x".into(), source: std::io::ErrorKind::StorageFull.into() };
        let free = "free space (df -h /proc), or set XDG_DATA_HOME to a directory on another disk";
        assert_eq!(of(full().into()), [free]);
        assert_eq!(of(BundleError::Fs(full()).into()), [free]);
        assert_eq!(of(DownloadError::Bundle(BundleError::Fs(full())).into()), [free]);
        assert_eq!(of(EnvError::File(full()).into()), [free]);
        assert_eq!(of(DaemonError::from(full()).into()), [free]);
        assert_eq!(of(PrepareError::Fs(full()).into()), [free]);
        assert_eq!(of(usernetes_rootless::Error::File(full()).into()), [free]);
        assert_eq!(of(Hinted::new("outer", "last").caused_by(full())), [free, "last"]);
        let unknown = usernetes_cluster::Error::NoSuchToken { id: "abcdef".into() };
        assert_eq!(of(unknown.into()), ["list the tokens: `usernetes-rs token list`"]);
        let ambiguous = || EnvError::AmbiguousHostIp {
            candidates: vec![usernetes_host::env::Candidate {
                address: [192, 0, 2, 1].into(),
                interface: "eth0".into(),
                on_default_route: true,
                obstacle: None,
            }],
        };
        assert_eq!(of(ambiguous().into()), ["choose one, such as --host-ip 192.0.2.1"]);
        assert_eq!(exit_code(&ambiguous().into()), 3);
    }

    #[test]
    fn the_code_survives_context() {
        let wrap = |e: anyhow::Error| exit_code(&Err::<(), _>(e).context("outer").unwrap_err());
        assert_eq!(wrap(UsageError::Flags("x".into()).into()), 64);
        assert_eq!(wrap(ConfigError::Invalid(Vec::new()).into()), 3);
        assert_eq!(wrap(DaemonError::from(ConfigError::Invalid(Vec::new())).into()), 3);
        assert_eq!(wrap(PreflightFailed(Vec::new()).into()), 2);
        assert_eq!(wrap(anyhow::anyhow!("x")), 1);
        let hinted =
            Hinted::new("outer", "hint").caused_by(anyhow::Error::new(PreflightFailed(Vec::new())).context("between"));
        assert_eq!(wrap(hinted), 2);
    }
}
