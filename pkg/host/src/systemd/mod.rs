//! The user's service manager: `systemctl --user`, units, lingering.

mod unit;

pub use unit::Unit;

use crate::{CommandError, CommandExt as _, FsError, Mode, fs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An operation on a unit that failed.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// systemctl failed.
    #[error(transparent)]
    Systemctl(#[from] CommandError),
    /// The file of the unit cannot be read or written.
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
        /// Error of systemctl.
        source: CommandError,
    },
}

impl SystemdError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Masked(unit) => Some(format!("systemctl --user unmask {unit}")),
            Self::Start { unit, .. } => Some(format!("journalctl --user -u {unit} -n 30 --no-pager shows why")),
            Self::File(error) => error.hint(),
            Self::Systemctl(_) => None,
        }
    }
}

/// A user manager that responds.
#[derive(Clone, Debug)]
pub struct UserManager {
    systemctl: PathBuf,
    units: PathBuf,
    runtime: PathBuf,
}

impl UserManager {
    /// The user manager, if one runs and responds; `config` and `runtime` are the base directories of [`crate::env::xdg`].
    pub fn detect(config: &Path, runtime: &Path) -> Option<Self> {
        // The manager's own socket: without it systemctl would only fail, and more slowly.
        if !runtime.join("systemd/private").exists() {
            return None;
        }
        let manager = Self::with_systemctl("systemctl".into(), config, runtime);
        manager.is_responding().then_some(manager)
    }

    fn with_systemctl(systemctl: PathBuf, config: &Path, runtime: &Path) -> Self {
        Self { systemctl, units: config.join("systemd/user"), runtime: runtime.into() }
    }

    /// `is-system-running` fails when some unit of the user has failed, so its output is read instead of its exit code.
    fn is_responding(&self) -> bool {
        let output = self.systemctl_command(&["is-system-running"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let state = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        matches!(state.as_str(), "running" | "degraded" | "starting" | "initializing")
    }

    fn systemctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.systemctl);
        command.arg("--user").args(arguments).env("XDG_RUNTIME_DIR", &self.runtime);
        command
    }

    fn run_systemctl(&self, arguments: &[&str]) -> Result<(), SystemdError> {
        self.systemctl_command(arguments).run()?;
        Ok(())
    }

    fn unit_file(&self, unit: &str) -> PathBuf {
        self.units.join(service_name(unit))
    }

    /// Writes the unit and has the manager read it.
    pub fn install(&self, unit: &Unit) -> Result<(), SystemdError> {
        let file = self.unit_file(&unit.name);
        // Writing would take the mask away in silence.
        if std::fs::read_link(&file).is_ok_and(|target| target == Path::new("/dev/null")) {
            return Err(SystemdError::Masked(service_name(&unit.name)));
        }
        fs::write(file, unit.to_string(), Mode::Public)?;
        self.run_systemctl(&["daemon-reload"])
    }

    /// Starts the unit whenever the user's manager starts: at login, or with lingering at boot.
    pub fn enable(&self, unit: &str) -> Result<(), SystemdError> {
        // By its path: the manager uses another configuration directory than a shell with its own XDG_CONFIG_HOME.
        self.systemctl_command(&["enable"]).arg(self.unit_file(unit)).run()?;
        Ok(())
    }

    /// Starts the unit and returns when it has notified READY. Clears an earlier failure, which would count against its limit of starts.
    pub fn start(&self, unit: &str) -> Result<(), SystemdError> {
        // Fails when the unit never ran; then there is nothing to clear.
        let _ = self.run_systemctl(&["reset-failed", &service_name(unit)]);
        let started = self.systemctl_command(&["start", &service_name(unit)]).run();
        started.map_err(|source| SystemdError::Start { unit: service_name(unit), source })?;
        Ok(())
    }

    /// Stops the unit and returns when all its processes have ended; one that is not installed is no error.
    pub fn stop(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) { self.run_systemctl(&["stop", &service_name(unit)]) } else { Ok(()) }
    }

    /// The manager's own cgroup as `/proc/PID/cgroup` names it: what a unit of the user gets is taken from it.
    pub fn control_group(&self) -> Option<String> {
        let group = self.systemctl_command(&["show", "--value", "--property", "ControlGroup"]).run().ok()?;
        Some(group.trim().to_owned()).filter(|group| group.starts_with('/'))
    }

    /// Whether the unit is installed.
    pub fn is_installed(&self, unit: &str) -> bool {
        self.unit_file(unit).exists()
    }

    /// Stops, disables and removes the unit; one that is not there is no error.
    pub fn remove(&self, unit: &str) -> Result<(), SystemdError> {
        if self.is_installed(unit) {
            // Not `disable --now`: that forgets a unit in another directory than the manager's before it stops it.
            let disabled = self.stop(unit).and_then(|()| self.run_systemctl(&["disable", &service_name(unit)]));
            fs::remove_if_exists(self.unit_file(unit))?;
            disabled?;
            self.run_systemctl(&["daemon-reload"])?;
        }
        Ok(())
    }
}

/// Removes a unit's file and the link that enables it where no manager responds; returns whether there was one. `config` is
/// the base directory of [`crate::env::xdg`]. A file that is not [`Unit`]'s stays.
pub fn remove_unit_file(config: &Path, unit: &str) -> Result<bool, SystemdError> {
    let units = config.join("systemd/user");
    let file = units.join(service_name(unit));
    if !fs::read_if_exists(&file)?.is_some_and(|text| text.starts_with(unit::HEAD)) {
        return Ok(false);
    }
    fs::remove_if_exists(units.join("default.target.wants").join(service_name(unit)))?;
    fs::remove_if_exists(file)?;
    Ok(true)
}

/// A unit's name as systemctl takes it.
fn service_name(unit: &str) -> String {
    format!("{unit}.service")
}

/// Whether a user's manager stays after the last logout: what `loginctl enable-linger` leaves behind.
pub fn lingers(user: &str) -> bool {
    Path::new("/var/lib/systemd/linger").join(user).exists()
}

#[cfg(test)]
mod tests;
