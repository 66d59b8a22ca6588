//! The systemd user unit of the node, where the user has a service manager.

use crate::{DaemonError, Instance};
use std::path::Path;
use std::time::Duration;
use usernetes_host::process::search_path;
use usernetes_host::systemd::{Unit, UserManager, remove_unit_file};

/// Longest start of the namespaces, files and network; components are waited for elsewhere.
const START_LIMIT: Duration = Duration::from_mins(2);
/// Longest orderly stop besides that of the pods: of components and namespaces.
const STOP_MARGIN: Duration = Duration::from_mins(1);
/// Longest time between two notifications of the parent, which sends one every few seconds as long as its child answers.
const WATCHDOG: Duration = Duration::from_mins(1);
/// systemd's own hard limit.
const OPEN_FILES: u64 = 524_288;

impl Instance {
    /// The user's service manager; `None` where there is none or it does not answer.
    pub fn service_manager(&self) -> Option<UserManager> {
        UserManager::detect(&self.paths.xdg.config, &self.paths.xdg.runtime)
    }

    /// Removes the unit; its files alone if no service manager responds.
    pub fn remove_unit(&self) -> Result<(), DaemonError> {
        match self.service_manager() {
            Some(manager) => manager.remove(&self.unit_name())?,
            None => drop(remove_unit_file(&self.paths.xdg.config, &self.unit_name())?),
        }
        Ok(())
    }

    /// Longest orderly stop of the node.
    pub(crate) fn stop_limit(&self) -> Duration {
        let rootless = self.config().map(|config| config.rootless).unwrap_or_default();
        rootless.stop_timeout().0 + STOP_MARGIN
    }

    pub(crate) fn unit_name(&self) -> String {
        format!("usernetes-{}", self.paths.cluster)
    }

    pub(crate) fn unit(&self) -> Unit {
        let paths = &self.paths;
        Unit {
            name: self.unit_name(),
            description: format!("Kubernetes node of cluster {}", paths.cluster),
            program: paths.program(),
            arguments: vec!["daemon".into(), "--cluster".into(), paths.cluster.to_string()],
            environment: vec![
                variable("XDG_CONFIG_HOME", &paths.xdg.config),
                variable("XDG_DATA_HOME", &paths.xdg.data),
                variable("XDG_CACHE_HOME", &paths.xdg.cache),
                variable("XDG_RUNTIME_DIR", &paths.xdg.runtime),
                // The manager's own may lack the directory in which preflight found a program.
                variable("PATH", Path::new(&search_path())),
            ],
            start_timeout: START_LIMIT,
            stop_timeout: self.stop_limit(),
            watchdog: Some(WATCHDOG),
            open_files: OPEN_FILES,
        }
    }
}

fn variable(name: &str, directory: &Path) -> (String, String) {
    (name.to_owned(), directory.display().to_string())
}
