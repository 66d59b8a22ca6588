//! What every command works with: the node of one cluster on this host, and the way to the user.

use crate::errors::{Hinted, UnreadableConfig};
use crate::output::Printer;
use anyhow::{Context as _, Result};
use std::path::Path;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_api::{ClusterName, Config, ConfigFile, HostFacts, Paths, Xdg};
use usernetes_cluster::Cluster;
use usernetes_daemon::Instance;
use usernetes_host::{Finding, Level, checks, env, fs};

/// Kubeconfig of the administrator, on the control-plane host only.
pub(crate) const ADMIN_CONF: &str = "admin.conf";
/// Kubeconfig of the kubelet, on every node.
pub(crate) const KUBELET_CONF: &str = "kubelet.conf";

/// One run of the program.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The way to the user.
    pub(crate) printer: Printer,
    /// The node on this host.
    pub(crate) instance: Instance,
}

impl Session {
    /// Refuses root, for whom an escape from a pod would reach the whole host. Root of a container with a user namespace
    /// is an ordinary user of the host.
    pub(crate) fn open(cluster: ClusterName, allow_root: bool, printer: Printer) -> Result<Self> {
        if env::is_root() && !allow_root && usernetes_rootless::nested().is_none() {
            return Err(Hinted::new(
                "usernetes-rs is for ordinary users and was started as root",
                "log in as an ordinary user (ssh USER@HOST or machinectl shell USER@), or pass --allow-root",
            )
            .into());
        }
        let xdg = env::xdg()?;
        let xdg = Xdg { config: xdg.config, data: xdg.data, cache: xdg.cache, runtime: xdg.runtime };
        Ok(Self { printer, instance: Instance::new(Paths::new(xdg, cluster)) })
    }

    /// Where the files of the node are.
    pub(crate) fn paths(&self) -> &Paths {
        &self.instance.paths
    }

    /// The check `Home`, of the directories that a node uses.
    pub(crate) fn check_home(&self) -> Finding {
        let xdg = &self.paths().xdg;
        checks::check_home(&[&xdg.data, &xdg.cache, &xdg.config])
    }

    /// [`Instance::kept_config`]; none where the state would be in the home of another user.
    pub(crate) fn kept_config(&self) -> Result<Option<Config>> {
        match self.instance.kept_config() {
            Err(_) if self.check_home().level == Level::Error => Ok(None),
            kept => Ok(kept?),
        }
    }

    /// [`Instance::config`]
    pub(crate) fn config(&self) -> Result<Config> {
        Ok(self.instance.config()?)
    }

    /// [`Instance::cluster_flag`]
    pub(crate) fn cluster_flag(&self) -> String {
        self.instance.cluster_flag()
    }

    /// The configuration of a control plane, for commands that only its host can run.
    pub(crate) fn control_plane_config(&self) -> Result<Config> {
        let config = self.config()?;
        if config.join.is_some() {
            let message = "this host is not the control plane: it joined the cluster as a worker";
            return Err(Hinted::new(message, "run it on the control-plane host").into());
        }
        Ok(config)
    }

    /// The host's side of a kubeconfig of the node.
    pub(crate) fn kubeconfig(&self, name: &str) -> std::path::PathBuf {
        self.paths().node(KUBERNETES_DIR).join(name)
    }

    /// The API server, with the credentials of one of the node's kubeconfigs.
    pub(crate) async fn api_server(&self, kubeconfig: &str) -> Result<Cluster> {
        let path = self.kubeconfig(kubeconfig);
        Ok(Cluster::connect_from_outside(&path, &|inside| self.paths().node(inside)).await?)
    }

    /// Shows what has no effect in the user's file.
    pub(crate) fn print_notes(&self, config: &Config) {
        for note in config.notes() {
            self.printer.warn(note);
        }
    }

    /// The API server, with the administrator's rights; an error where the node does not run.
    pub(crate) async fn administrator(&self) -> Result<Cluster> {
        self.control_plane_config()?;
        self.instance.connect()?;
        self.api_server(ADMIN_CONF).await
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output> {
    Ok(usernetes_daemon::runtime()?.block_on(future))
}

/// The file that the user names.
pub(crate) fn read_config(path: &Path) -> Result<ConfigFile> {
    Ok(ConfigFile::new(path, &fs::read(path).map_err(UnreadableConfig)?))
}

/// Fills in defaults by what this host is, and what an earlier run has kept of it.
pub(crate) fn set_defaults(session: &Session, config: &mut Config) -> Result<()> {
    let hostname = env::hostname().context("cannot read the host's name")?;
    let host_ip = match config.rootless.host_ip {
        Some(ip) => Some(ip),
        None => env::default_host_ip()?,
    };
    let kept = session.kept_config()?.filter(|kept| kept.state.tap_cidr_chosen);
    let kept_tap = kept.and_then(|kept| kept.rootless.network.cidr);
    config.set_defaults(&HostFacts { hostname, host_ip, used_ranges: env::used_ranges()?, kept_tap });
    Ok(())
}
