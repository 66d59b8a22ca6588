//! Flags that describe this host, shared by `init`, `join` and `preflight`.

use crate::errors::Hinted;
use anyhow::Result;
use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use std::net::IpAddr;
use std::path::PathBuf;
use usernetes_api::{CgroupSelection, Config, OciRuntime, Snapshotter};

/// What describes this host. A flag overrides the configuration file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Host")]
pub(crate) struct HostArgs {
    /// Path to a configuration file: InitConfiguration, ClusterConfiguration, JoinConfiguration, RootlessConfiguration,
    /// KubeletConfiguration and KubeProxyConfiguration documents
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address other hosts use to reach this host [default: address of the default route]
    #[arg(long, value_name = "IP")]
    pub(crate) host_ip: Option<IpAddr>,
    /// Directory or archive of the bundle [default: the imported bundle]
    #[arg(long, value_name = "PATH")]
    pub(crate) bundle: Option<PathBuf>,
    /// Name of the node [default: name of the host]
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Port of the kubelet on this host [default: 10250]
    #[arg(long, value_name = "PORT", value_parser = port_parser())]
    pub(crate) kubelet_port: Option<u16>,
    /// UDP port of flannel's VXLAN, the same on every host [default: 8472]
    #[arg(long, value_name = "PORT", value_parser = port_parser())]
    pub(crate) vxlan_port: Option<u16>,
    /// Whether cgroups are delegated to pods [default: auto]
    #[arg(long, value_name = "MODE", value_parser = word_parser::<CgroupSelection>(&["auto", "delegated", "none"]))]
    pub(crate) cgroups: Option<CgroupSelection>,
    /// Snapshotter for image layers [default: auto]
    #[arg(long, value_name = "NAME", value_parser = word_parser::<Snapshotter>(&["auto", "overlayfs", "fuse-overlayfs", "native"]))]
    pub(crate) snapshotter: Option<Snapshotter>,
    /// Socket of the container runtime; unix:///run/crio/crio.sock selects the host's CRI-O [default: containerd's]
    #[arg(long, value_name = "SOCKET")]
    pub(crate) cri_socket: Option<String>,
    /// OCI runtime: the bundle's runc or the host's crun [default: runc]
    #[arg(long, value_name = "NAME", value_parser = word_parser::<OciRuntime>(&["runc", "crun"]))]
    pub(crate) oci_runtime: Option<OciRuntime>,
    /// Require a surrounding container with its own user namespace (rootless Docker or Podman, Sysbox)
    #[arg(long)]
    nested: bool,
    /// Checks whose errors are shown as warnings; all ignores the errors of all checks
    #[arg(long, value_delimiter = ',', value_name = "CHECKS")]
    pub(crate) ignore_preflight_errors: Vec<String>,
}

/// A port number; 0 is not one.
pub(crate) fn port_parser() -> RangedI64ValueParser<u16> {
    RangedI64ValueParser::new().range(1..=i64::from(u16::MAX))
}

/// Parses an enum of a document by the words of the document.
fn word_parser<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).map(|word| serde_yaml::from_str(&word).expect("a word of the document"))
}

impl HostArgs {
    /// `--nested` outside of a container is an error.
    pub(crate) fn check_nested(&self) -> Result<()> {
        if self.nested && usernetes_rootless::nested().is_none() {
            let message = "--nested was given outside of a container with its own user namespace";
            return Err(Hinted::new(message, "remove --nested, or run the command in the container").into());
        }
        Ok(())
    }

    /// Sets the fields of the documents that flags override.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.state.host_ip_detected &= self.host_ip.is_none();
        let rootless = &mut config.rootless;
        rootless.host_ip = self.host_ip.or(rootless.host_ip);
        rootless.bundle = self.bundle.clone().or(rootless.bundle.take());
        rootless.cgroups = self.cgroups.unwrap_or(rootless.cgroups);
        rootless.snapshotter = self.snapshotter.unwrap_or(rootless.snapshotter);
        rootless.oci_runtime = self.oci_runtime.unwrap_or(rootless.oci_runtime);
        rootless.ports.kubelet = self.kubelet_port.unwrap_or(rootless.ports.kubelet);
        rootless.ports.vxlan = self.vxlan_port.unwrap_or(rootless.ports.vxlan);
        let registration = match &mut config.join {
            Some(join) => &mut join.node_registration,
            None => &mut config.init.node_registration,
        };
        if let Some(name) = &self.node_name {
            registration.name.clone_from(name);
        }
        if let Some(socket) = &self.cri_socket {
            registration.cri_socket.clone_from(socket);
        }
        registration.ignore_preflight_errors.extend(self.ignore_preflight_errors.iter().cloned());
    }

    /// Whether no flag changes the configuration.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            config,
            host_ip,
            bundle,
            node_name,
            kubelet_port,
            vxlan_port,
            cgroups,
            snapshotter,
            cri_socket,
            oci_runtime,
            ..
        } = self;
        config.is_none()
            && host_ip.is_none()
            && bundle.is_none()
            && node_name.is_none()
            && kubelet_port.is_none()
            && vxlan_port.is_none()
            && cgroups.is_none()
            && snapshotter.is_none()
            && cri_socket.is_none()
            && oci_runtime.is_none()
    }
}
