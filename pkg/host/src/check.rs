//! What a check of the machine found. Mirrors kubeadm's `preflight.Checker`: all run, all findings are shown together.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Checked and good.
    Passed,
    /// It will work, but less well.
    Warning,
    /// It cannot work.
    Error,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// kubeadm's style of names: `SubID`, `Port-6443`; what `--ignore-preflight-errors` takes.
    pub check: String,
    /// How bad.
    pub level: Level,
    /// What was found; empty when passed.
    pub message: String,
    /// What to do about it: the exact command or edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn passed(check: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Passed, message: String::new(), hint: None }
    }

    /// It will work, but less well.
    pub fn warning(check: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    /// It cannot work.
    pub fn error(check: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Error, message: message.into(), hint: Some(hint.into()) }
    }
}
