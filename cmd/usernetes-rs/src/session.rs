//! What every command works with: who we are, where things lie, how to speak to the user.

use crate::cli::Global;
use crate::errors::{Hinted, Unreadable};
use crate::ui::Printer;
use anyhow::{Context as _, Result};
use std::net::IpAddr;
use std::path::Path;
use usernetes_api::{ClusterName, Config, HostFacts, Paths, Xdg};
use usernetes_host::{env, fs};

/// One run of the program.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The way to the user.
    pub(crate) printer: Printer,
    /// Where this cluster lies.
    pub(crate) paths: Paths,
}

impl Session {
    /// Refuses root: what this tool promises (an escape leads to nobody's account but yours) would be void. Root of a
    /// container with a user namespace is somebody's account, too.
    pub(crate) fn open(global: Global, printer: Printer) -> Result<Self> {
        if env::is_root() && !global.allow_root && usernetes_rootless::nested().is_none() {
            return Err(Hinted::new(
                "usernetes-rs is for ordinary users and was started as root",
                "log in as an ordinary user (ssh USER@HOST or machinectl shell USER@), or pass --allow-root",
            )
            .into());
        }
        let xdg = env::xdg()?;
        let xdg = Xdg { config: xdg.config, data: xdg.data, cache: xdg.cache, runtime: xdg.runtime };
        Ok(Self { printer, paths: Paths::new(xdg, global.cluster) })
    }

    /// The documents that `init` or `join` kept.
    pub(crate) fn kept_config(&self) -> Result<Option<Config>> {
        let path = self.paths.config();
        match fs::read_if_exists(&path)? {
            Some(text) => Ok(Some(Config::parse_kept(&path, &text)?)),
            None => Ok(None),
        }
    }

    /// The kept documents, or an error that says how to get some.
    pub(crate) fn config(&self) -> Result<Config> {
        self.kept_config()?.ok_or_else(|| self.no_node().into())
    }

    /// There is nothing here yet.
    pub(crate) fn no_node(&self) -> Hinted {
        let cluster = &self.paths.cluster;
        let flag = self.cluster_flag();
        Hinted::new(
            format!("this host has no node of a cluster {cluster:?}", cluster = cluster.to_string()),
            format!("usernetes-rs{flag} init, or usernetes-rs{flag} join TOKEN"),
        )
    }

    /// ` --cluster NAME` where a command has to name it.
    pub(crate) fn cluster_flag(&self) -> String {
        if self.paths.cluster == ClusterName::default() {
            String::new()
        } else {
            format!(" --cluster {}", self.paths.cluster)
        }
    }
}

/// Documents of a file that the user names.
pub(crate) fn read_config(path: &Path) -> Result<Config> {
    Ok(Config::parse(path, &fs::read(path).map_err(Unreadable)?)?)
}

/// What defaults depend on.
pub(crate) fn host_facts(wanted: Option<IpAddr>) -> Result<HostFacts> {
    let hostname = env::hostname().context("cannot read the host's name")?;
    let host_ip = match wanted {
        Some(ip) => Some(ip),
        None => env::default_host_ip()?,
    };
    Ok(HostFacts { hostname, host_ip })
}
