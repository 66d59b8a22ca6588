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
    /// The user, or an administrator, has forbidden the unit.
    #[error("the unit {0} is masked")]
    Masked(String),
    /// The unit did not come up.
    #[error("the unit {unit} did not start")]
    Start {
        /// Its name.
        unit: String,
        /// What systemctl says.
        source: CommandError,
    },
}

impl SystemdError {
    /// What the user does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Masked(unit) => Some(format!("systemctl --user unmask {unit}")),
            Self::Start { unit, .. } => Some(format!("journalctl --user -u {unit} -n 30 --no-pager shows why")),
            Self::File(error) => error.hint(),
            Self::Systemctl(_) => None,
        }
    }
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
        let file = self.file(&unit.name);
        // Writing would take the mask away in silence.
        if std::fs::read_link(&file).is_ok_and(|target| target == Path::new("/dev/null")) {
            return Err(SystemdError::Masked(service(&unit.name)));
        }
        fs::write(file, unit.to_string(), Mode::Public)?;
        self.run(&["daemon-reload"])
    }

    /// Starts the unit whenever the user's manager starts: at login, or with lingering at boot.
    pub fn enable(&self, unit: &str) -> Result<(), SystemdError> {
        // By its path: the manager knows another configuration folder than a shell with its own XDG_CONFIG_HOME.
        self.command(&["enable"]).arg(self.file(unit)).run()?;
        Ok(())
    }

    /// Starts the unit and returns when it has said READY. Clears an earlier failure, which would count against its limit of starts.
    pub fn start(&self, unit: &str) -> Result<(), SystemdError> {
        // Fails when the unit never ran; then there is nothing to clear.
        let _ = self.run(&["reset-failed", &service(unit)]);
        let started = self.command(&["start", &service(unit)]).run();
        started.map_err(|source| SystemdError::Start { unit: service(unit), source })?;
        Ok(())
    }

    /// Stops the unit and returns when all its processes have ended; one that is not installed is no error.
    pub fn stop(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) { self.run(&["stop", &service(unit)]) } else { Ok(()) }
    }

    /// The manager's own cgroup as `/proc/PID/cgroup` names it: what a unit of the user gets is taken from it.
    pub fn control_group(&self) -> Option<String> {
        let group = self.command(&["show", "--value", "--property", "ControlGroup"]).run().ok()?;
        Some(group.trim().to_owned()).filter(|group| group.starts_with('/'))
    }

    /// Whether the unit is installed.
    pub fn is_installed(&self, unit: &str) -> bool {
        self.file(unit).exists()
    }

    /// Stops, disables and removes the unit; one that is not there is no error.
    pub fn remove(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) {
            // Not `disable --now`: that forgets a unit in another folder than the manager's before it stops it.
            let disabled = self.stop(unit).and_then(|()| self.run(&["disable", &service(unit)]));
            fs::remove_if_exists(self.file(unit))?;
            disabled?;
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
