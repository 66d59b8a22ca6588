//! What can be wrong with a configuration.

use crate::flags::with_flag;
use std::fmt;
use std::path::PathBuf;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// One thing that is wrong, with the field's path as in the document (`networking.podSubnet`);
/// shown beside its place in the file and the flag that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where the field stands, if it stands in a file.
    pub place: Option<Place>,
    /// Path of the field; empty for a whole document.
    pub field: String,
    /// What is wrong with its value, and what would be right.
    pub message: String,
    /// The command or edit that helps, where the message does not say it.
    pub hint: Option<String>,
}

impl FieldError {
    /// A mistake without a place in a file.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: None, field: field.into(), message: message.into(), hint: None }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", with_flag(&self.field))?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration cannot be used. Exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Documents or values that cannot work, all of them.
    #[error("{}", join_errors(.0))]
    Invalid(Vec<FieldError>),
}

impl ConfigError {
    /// Every mistake.
    pub fn into_mistakes(self) -> Vec<FieldError> {
        let Self::Invalid(mistakes) = self;
        mistakes
    }

    /// The command or edit that helps.
    pub fn hint(&self) -> Option<String> {
        let Self::Invalid(mistakes) = self;
        let mut hints: Vec<&str> = mistakes.iter().filter_map(|mistake| mistake.hint.as_deref()).collect();
        hints.dedup();
        (!hints.is_empty()).then(|| hints.join("; "))
    }
}

/// Mistakes in the order of the file; those without a place are last.
pub(crate) fn sort_mistakes(mut mistakes: Vec<FieldError>) -> Vec<FieldError> {
    mistakes.sort_by_key(|mistake| (mistake.place.is_none(), mistake.place.clone()));
    mistakes
}

fn join_errors(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
