//! The user's service manager: `systemctl --user`, units, lingering.

mod unit;

pub use unit::Unit;

use crate::{CommandError, CommandExt as _, FsError, Mode, fs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A unit could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// systemctl failed.
    #[error(transparent)]
    Systemctl(#[from] CommandError),
    /// The unit's file.
    #[error(transparent)]
    File(#[from] FsError),
}

/// A user manager that answers.
#[derive(Clone, Debug)]
pub struct UserManager {
    systemctl: PathBuf,
    units: PathBuf,
    runtime: PathBuf,
}

impl UserManager {
    /// The user manager, if one runs and answers; `config` and `runtime` are the base folders of [`crate::env::xdg`].
    pub fn detect(config: &Path, runtime: &Path) -> Option<Self> {
        // The manager's own socket: without it systemctl would only fail, and more slowly.
        if !runtime.join("systemd/private").exists() {
            return None;
        }
        let manager = Self::with("systemctl".into(), config, runtime);
        manager.answers().then_some(manager)
    }

    fn with(systemctl: PathBuf, config: &Path, runtime: &Path) -> Self {
        Self { systemctl, units: config.join("systemd/user"), runtime: runtime.into() }
    }

    /// `is-system-running` fails when some unit of the user has failed, which is no matter of ours: its word counts.
    fn answers(&self) -> bool {
        let output = self.command(&["is-system-running"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let state = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        matches!(state.as_str(), "running" | "degraded" | "starting" | "initializing")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.systemctl);
        command.arg("--user").args(arguments).env("XDG_RUNTIME_DIR", &self.runtime);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<(), SystemdError> {
        self.command(arguments).run()?;
        Ok(())
    }

    fn file(&self, unit: &str) -> PathBuf {
        self.units.join(service(unit))
    }

    /// Writes the unit and has the manager read it.
    pub fn install(&self, unit: &Unit) -> Result<(), SystemdError> {
        fs::write(self.file(&unit.name), unit.to_string(), Mode::Public)?;
        self.run(&["daemon-reload"])
    }

    /// Starts the unit whenever the user's manager starts: at login, or with lingering at boot.
    pub fn enable(&self, unit: &str) -> Result<(), SystemdError> {
        self.run(&["enable", &service(unit)])
    }

    /// Starts the unit and returns when it has said READY. Clears an earlier failure, which would count against its limit of starts.
    pub fn start(&self, unit: &str) -> Result<(), SystemdError> {
        // Fails when the unit never ran; then there is nothing to clear.
        let _ = self.run(&["reset-failed", &service(unit)]);
        self.run(&["start", &service(unit)])
    }

    /// Stops the unit and returns when all its processes have ended; one that is not installed is no error.
    pub fn stop(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) { self.run(&["stop", &service(unit)]) } else { Ok(()) }
    }

    /// Whether the unit runs.
    pub fn is_active(&self, unit: &str) -> bool {
        self.run(&["is-active", "--quiet", &service(unit)]).is_ok()
    }

    /// Whether the unit is installed.
    pub fn is_installed(&self, unit: &str) -> bool {
        self.file(unit).exists()
    }

    /// Stops, disables and removes the unit; one that is not there is no error.
    pub fn remove(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) {
            self.run(&["disable", "--now", &service(unit)])?;
            fs::remove_if_exists(self.file(unit))?;
            self.run(&["daemon-reload"])?;
        }
        Ok(())
    }
}

/// A unit's name as systemctl takes it.
fn service(unit: &str) -> String {
    format!("{unit}.service")
}

/// Whether a user's manager stays after the last logout: what `loginctl enable-linger` leaves behind.
pub fn lingers(user: &str) -> bool {
    Path::new("/var/lib/systemd/linger").join(user).exists()
}

#[cfg(test)]
mod tests;
