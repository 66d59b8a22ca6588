//! Errors that decide the exit code, and advice that travels beside an error.

use usernetes_api::ConfigError;
use usernetes_host::Finding;

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
}

/// Checks of the host that found errors. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{} of the checks failed", .0.len())]
pub(crate) struct PreflightFailed(pub(crate) Vec<Finding>);

/// An error that knows what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    /// What went wrong.
    pub(crate) message: String,
    /// The exact command or edit.
    pub(crate) cure: String,
    /// What caused it.
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Hinted {
    /// An error with its cure.
    pub(crate) fn new(message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { message: message.into(), cure: cure.into(), source: None }
    }

    /// The same, caused by another error.
    pub(crate) fn because(self, source: impl Into<anyhow::Error>) -> anyhow::Error {
        Self { source: Some(source.into().into_boxed_dyn_error()), ..self }.into()
    }
}

/// 1 failure, 2 preflight, 3 validation, 64 usage.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let is = |probe: fn(&(dyn std::error::Error + 'static)) -> bool| error.chain().any(probe);
    if error.downcast_ref::<UsageError>().is_some() || is(|e| e.is::<UsageError>()) {
        64
    } else if error.downcast_ref::<ConfigError>().is_some() || is(|e| e.is::<ConfigError>()) {
        3
    } else if error.downcast_ref::<PreflightFailed>().is_some() || is(|e| e.is::<PreflightFailed>()) {
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
    fn the_code_survives_context() {
        let wrap = |e: anyhow::Error| exit_code(&Err::<(), _>(e).context("outer").unwrap_err());
        assert_eq!(wrap(UsageError::Flags("x".into()).into()), 64);
        assert_eq!(wrap(ConfigError::Invalid(Vec::new()).into()), 3);
        assert_eq!(wrap(PreflightFailed(Vec::new()).into()), 2);
        assert_eq!(wrap(anyhow::anyhow!("x")), 1);
        let hinted =
            Hinted::new("outer", "cure").because(anyhow::Error::new(PreflightFailed(Vec::new())).context("between"));
        assert_eq!(wrap(hinted), 2);
    }
}
