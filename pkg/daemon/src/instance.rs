//! One cluster on this host: its paths, the configuration that was kept, and how a hint names it.

use crate::DaemonError;
use usernetes_api::{ClusterName, Config, Paths};
use usernetes_host::fs;

/// The node of one cluster on this host, whether it runs or not.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Where its files are.
    pub paths: Paths,
}

impl Instance {
    /// The instance whose files are at `paths`. Touches nothing.
    pub fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// The configuration that `init` or `join` kept; `None` before either has run.
    pub fn kept_config(&self) -> Result<Option<Config>, DaemonError> {
        let path = self.paths.config();
        match fs::read_if_exists(&path)? {
            Some(text) => Ok(Some(Config::parse_kept(&path, &text)?)),
            None => Ok(None),
        }
    }

    /// The kept configuration, or [`DaemonError::NoNode`].
    pub fn config(&self) -> Result<Config, DaemonError> {
        self.kept_config()?.ok_or_else(|| self.no_node())
    }

    /// Keeps `config` for the next start. Only the user may read it: it can hold tokens.
    pub fn keep_config(&self, config: &Config) -> Result<(), DaemonError> {
        Ok(fs::write(self.paths.config(), config.to_kept_yaml(), fs::Mode::Secret)?)
    }

    /// The error of a command that needs a node where none was made.
    pub fn no_node(&self) -> DaemonError {
        DaemonError::NoNode { cluster: self.paths.cluster.clone(), flag: self.cluster_flag() }
    }

    /// ` --cluster NAME` for hints, empty for the default cluster.
    pub fn cluster_flag(&self) -> String {
        if self.paths.cluster == ClusterName::default() {
            String::new()
        } else {
            format!(" --cluster {}", self.paths.cluster)
        }
    }
}
