//! Running programs with the command and the end of its standard error in the error.

use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// A program that could not be run or failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot run {command}")]
    Start {
        /// The command line.
        command: String,
        /// Underlying error.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("{command} failed ({status}): {stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last KiB of its standard error.
        stderr: String,
    },
}

/// Running a prepared [`Command`] to its end.
pub trait CommandExt {
    /// Runs it, keeps its standard output.
    fn run(&mut self) -> Result<String, CommandError>;
}

impl CommandExt for Command {
    fn run(&mut self) -> Result<String, CommandError> {
        let command = command_line(self);
        tracing::debug!(%command, "run");
        let output = self.stdin(Stdio::null()).output();
        let output = output.map_err(|source| CommandError::Start { command: command.clone(), source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let from = output.stderr.len().saturating_sub(1024);
        let stderr = String::from_utf8_lossy(&output.stderr[from..]).trim().to_owned();
        Err(CommandError::Failed { command, status: output.status, stderr })
    }
}

/// The command as it would be typed. Arguments never hold secrets, so nothing is hidden.
fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
