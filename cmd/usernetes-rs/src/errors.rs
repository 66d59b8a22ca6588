//! Errors that decide the exit code, and hints that travel beside an error.

use std::error::Error;
use std::io::ErrorKind;
use usernetes_api::ConfigError;
use usernetes_cluster::discovery::{DiscoveryError, DiscoveryFileError};
use usernetes_host::systemd::SystemdError;
use usernetes_host::{EnvError, Finding, FsError, LockError, TenancyError};
use usernetes_node::PrepareError;
use usernetes_node::bundle::BundleError;
use usernetes_node::bundle::download::DownloadError;
use usernetes_node::bundle::peer::PeerError;
use usernetes_pki::{JoinTokenError, PkiError};
use usernetes_rootless::PortError;
use usernetes_rootless::control::ControlError;

/// The command line does not say something that we can do. Exit code 64.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// A phase that is not in the workflow's table.
    #[error("no phase {path:?}; phases are: {known}")]
    UnknownPhase {
        /// What was asked for.
        path: String,
        /// All of them.
        known: String,
    },
    /// Flags that exclude each other, or one that is missing.
    #[error("{0}")]
    Flags(String),
    /// What to join is not said, or not in full.
    #[error("{message}")]
    Target {
        /// What is missing.
        message: String,
        /// Where it comes from.
        hint: &'static str,
    },
    /// A join token that was cut off or changed.
    #[error("cannot read the join token")]
    JoinToken(#[source] JoinTokenError),
}

/// A configuration file that cannot be read. Exit code 3, as for one that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Unreadable(pub(crate) FsError);

impl Unreadable {
    fn hint(&self) -> String {
        let path = self.0.path.display();
        match self.0.source.kind() {
            ErrorKind::NotFound => {
                format!(
                    "give --config another FILE; usernetes-rs config print > {path} writes init's, with every default"
                )
            }
            _ => {
                self.0.hint().unwrap_or_else(|| format!("give --config a file of YAML documents, which {path} is not"))
            }
        }
    }
}

/// Checks of the host that found errors. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{} of the checks failed", .0.len())]
pub(crate) struct PreflightFailed(pub(crate) Vec<Finding>);

/// An error with a hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    /// What went wrong.
    pub(crate) message: String,
    /// The exact command or edit.
    pub(crate) hint: String,
    /// What caused it.
    source: Option<anyhow::Error>,
}

impl Hinted {
    /// An error with its hint.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), source: None }
    }

    /// The same, caused by another error.
    pub(crate) fn because(self, source: impl Into<anyhow::Error>) -> anyhow::Error {
        Self { source: Some(source.into()), ..self }.into()
    }
}

/// The hints of an error and its causes, the innermost first: it is the most specific.
pub(crate) fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in error.chain().filter_map(hint) {
        // An outer error may repeat the hint of its source.
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.reverse();
    hints
}

fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    macro_rules! ask {
        ($($kind:ty => $hint:expr),* $(,)?) => {
            None$(.or_else(|| error.downcast_ref::<$kind>().and_then($hint)))*
        };
    }
    ask! {
        Hinted => |e| Some(e.hint.clone()),
        UsageError => |e| if let UsageError::Target { hint, .. } = e { Some((*hint).to_owned()) } else { None },
        Unreadable => |e| Some(e.hint()),
        FsError => FsError::hint,
        EnvError => EnvError::hint,
        LockError => LockError::hint,
        TenancyError => TenancyError::hint,
        SystemdError => SystemdError::hint,
        ConfigError => ConfigError::hint,
        BundleError => BundleError::hint,
        DownloadError => DownloadError::hint,
        PeerError => PeerError::hint,
        PrepareError => |e| match e {
            PrepareError::Fs(e) => e.hint(),
            PrepareError::NoPlugins { .. } => Some("take a complete bundle: usernetes-rs bundle verify PATH".into()),
        },
        PkiError => PkiError::hint,
        JoinTokenError => |e| Some(e.hint().to_owned()),
        PortError => PortError::hint,
        ControlError => ControlError::hint,
        usernetes_rootless::Error => usernetes_rootless::Error::hint,
        DiscoveryError => DiscoveryError::hint,
        DiscoveryFileError => DiscoveryFileError::hint,
        usernetes_cluster::Error => usernetes_cluster::Error::hint,
    }
}

/// 1 failure, 2 preflight, 3 validation, 64 usage.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let is = |probe: fn(&(dyn std::error::Error + 'static)) -> bool| error.chain().any(probe);
    if is(<dyn std::error::Error + 'static>::is::<UsageError>) {
        64
    } else if is(|e| {
        e.is::<ConfigError>()
            || e.is::<Unreadable>()
            || matches!(e.downcast_ref(), Some(EnvError::AmbiguousHostIp { .. }))
    }) {
        3
    } else if is(<dyn std::error::Error + 'static>::is::<PreflightFailed>) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn hints_come_from_every_library() {
        let of = |error: anyhow::Error| hints(&Err::<(), _>(error).context("outer").unwrap_err());
        let full =
            || FsError { action: "write", path: "/proc/x".into(), source: std::io::ErrorKind::StorageFull.into() };
        let free = "free space (df -h /proc), or set XDG_DATA_HOME to a folder on another disk";
        assert_eq!(of(full().into()), [free]);
        assert_eq!(of(BundleError::Fs(full()).into()), [free]);
        assert_eq!(of(DownloadError::Bundle(BundleError::Fs(full())).into()), [free]);
        assert_eq!(of(EnvError::File(full()).into()), [free]);
        assert_eq!(of(PrepareError::Fs(full()).into()), [free]);
        assert_eq!(of(usernetes_rootless::Error::File(full()).into()), [free]);
        assert_eq!(of(Hinted::new("outer", "last").because(full())), [free, "last"]);
        let unknown = usernetes_cluster::Error::NoSuchToken { id: "abcdef".into() };
        assert_eq!(of(unknown.into()), ["list the tokens: `usernetes-rs token list`"]);
        let ambiguous = || EnvError::AmbiguousHostIp {
            candidates: vec![usernetes_host::env::Candidate {
                address: [192, 0, 2, 1].into(),
                interface: "eth0".into(),
                on_default_route: true,
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
        assert_eq!(wrap(PreflightFailed(Vec::new()).into()), 2);
        assert_eq!(wrap(anyhow::anyhow!("x")), 1);
        let hinted =
            Hinted::new("outer", "hint").because(anyhow::Error::new(PreflightFailed(Vec::new())).context("between"));
        assert_eq!(wrap(hinted), 2);
    }
}
