//! The text of a user unit.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Share of the machine's processes and threads. Below the third that systemd gives to all of a user, so that pods leave
/// the user's own logins some; more than the default for services (15 %), since every container counts.
const TASKS: &str = "30%";

/// How every unit's text begins.
pub(super) const HEAD: &str = "# Made by usernetes-rs";

/// A service with delegated cgroups that notifies systemd when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Name without `.service`.
    pub name: String,
    /// Human-readable description.
    pub description: String,
    /// Program to run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment beside the manager's.
    pub environment: Vec<(String, String)>,
    /// How long it may take to be ready.
    pub start_timeout: Duration,
    /// How long stopping may take before everything is killed.
    pub stop_timeout: Duration,
    /// The longest silence (`WATCHDOG=1`) before it is restarted; `None` for a program that does not report.
    pub watchdog: Option<Duration>,
    /// Limit of open files.
    pub open_files: u64,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}; its next start writes this anew.")?;
        writeln!(f, "[Unit]\nDescription={}", escape_specifiers(&self.description))?;
        // A node that cannot start shall not try for ever.
        writeln!(f, "StartLimitIntervalSec=300\nStartLimitBurst=5\n")?;
        // READY comes from the parent's own child where that one is forked once more.
        writeln!(f, "[Service]\nType=notify\nNotifyAccess=all")?;
        write!(f, "ExecStart={}", quote_word(&self.program.to_string_lossy(), true))?;
        for argument in &self.arguments {
            write!(f, " {}", quote_word(argument, true))?;
        }
        writeln!(f)?;
        for (name, value) in &self.environment {
            writeln!(f, "Environment={}", quote_word(&format!("{name}={value}"), false))?;
        }
        // mixed: the parent alone gets SIGTERM and stops components in order; SIGKILL reaches all that is left.
        writeln!(f, "Delegate=yes\nKillMode=mixed\nRestart=on-failure\nRestartSec=2")?;
        writeln!(
            f,
            "TimeoutStartSec={}\nTimeoutStopSec={}",
            self.start_timeout.as_secs(),
            self.stop_timeout.as_secs()
        )?;
        if let Some(watchdog) = self.watchdog {
            writeln!(f, "WatchdogSec={}", watchdog.as_secs())?;
        }
        writeln!(f, "LimitNOFILE={}\nTasksMax={TASKS}\nOOMPolicy=continue\n", self.open_files)?;
        writeln!(f, "[Install]\nWantedBy=default.target")
    }
}

/// `%` begins a specifier everywhere in a unit.
fn escape_specifiers(s: &str) -> String {
    s.replace('%', "%%").replace('\n', " ")
}

/// One word of a command line or an assignment. `$` begins a variable in command lines only.
fn quote_word(s: &str, command: bool) -> String {
    let s = s.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('\n', "\\n");
    let s = if command { s.replace('$', "$$") } else { s };
    let plain = s.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,%$+".contains(c));
    if !s.is_empty() && plain { s } else { format!("\"{s}\"") }
}
