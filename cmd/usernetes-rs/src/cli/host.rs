//! Flags that describe this host, shared by `init`, `join` and `preflight`.

use super::init::DocumentArgs;
use crate::errors::Hinted;
use crate::phases::checks;
use crate::session::Session;
use anyhow::Result;
use clap::builder::{PossibleValuesParser, RangedI64ValueParser, TypedValueParser};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use usernetes_api::{CgroupSelection, Config, OciRuntime, Snapshotter};

/// What describes this host. A flag wins over the configuration file.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct HostArgs {
    /// Configuration file: InitConfiguration, ClusterConfiguration, JoinConfiguration, RootlessConfiguration,
    /// KubeletConfiguration and KubeProxyConfiguration documents
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address under which other hosts reach this one; found from the default route when not given
    #[arg(long, value_name = "IP")]
    pub(crate) host_ip: Option<IpAddr>,
    /// Folder or archive of the bundle; the imported one when not given
    #[arg(long, value_name = "PATH")]
    pub(crate) bundle: Option<PathBuf>,
    /// Name of the node; the host's name when not given
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Port of the kubelet's API on this host [default: 10250]
    #[arg(long, value_name = "PORT", value_parser = port())]
    pub(crate) kubelet_port: Option<u16>,
    /// UDP port of flannel's VXLAN, the same on every host [default: 8472]
    #[arg(long, value_name = "PORT", value_parser = port())]
    pub(crate) vxlan_port: Option<u16>,
    /// Whether pods get cgroups [default: auto]
    #[arg(long, value_name = "MODE", value_parser = words::<CgroupSelection>(&["auto", "delegated", "none"]))]
    pub(crate) cgroups: Option<CgroupSelection>,
    /// How layers of images are put together [default: auto]
    #[arg(long, value_name = "NAME", value_parser = words::<Snapshotter>(&["auto", "overlayfs", "fuse-overlayfs", "native"]))]
    pub(crate) snapshotter: Option<Snapshotter>,
    /// Socket of the container runtime: containerd's, or unix:///run/crio/crio.sock for the host's CRI-O
    #[arg(long, value_name = "SOCKET")]
    pub(crate) cri_socket: Option<String>,
    /// What makes containers: the bundle's runc or the host's crun [default: runc]
    #[arg(long, value_name = "NAME", value_parser = words::<OciRuntime>(&["runc", "crun"]))]
    pub(crate) oci_runtime: Option<OciRuntime>,
    /// Only inside a container with a user namespace (Docker or Podman rootless, Sysbox), as its root or as an ordinary user
    #[arg(long)]
    nested: bool,
    /// Checks whose errors become warnings, or "all"
    #[arg(long, value_delimiter = ',', value_name = "CHECKS")]
    pub(crate) ignore_preflight_errors: Vec<String>,
}

/// A port, which 0 is not.
pub(super) fn port() -> RangedI64ValueParser<u16> {
    RangedI64ValueParser::new().range(1..=i64::from(u16::MAX))
}

/// Reads an enum of a document by the words that the document uses.
fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: serde::de::DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).map(|word| serde_yaml::from_str(&word).expect("a word of the document"))
}

impl HostArgs {
    /// Refuses `--nested` where nothing is nested.
    pub(crate) fn check_place(&self) -> Result<()> {
        if self.nested && usernetes_rootless::nested().is_none() {
            let message = "--nested, but this is no container with a user namespace of its own";
            return Err(Hinted::new(message, "leave --nested out, or run this in the container").into());
        }
        Ok(())
    }

    /// Lays the flags over the documents.
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

    /// Whether any flag would change a configuration that is already in use.
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

/// `preflight`: the checks of `init`, alone.
#[derive(Debug, clap::Args)]
pub(crate) struct PreflightArgs {
    #[command(flatten)]
    documents: DocumentArgs,
}

pub(crate) fn preflight(session: Session, args: PreflightArgs) -> Result<ExitCode> {
    let config = args.documents.resolve(&session)?;
    let findings = checks::all(&session, &config);
    if session.printer.json() {
        session.printer.object(&findings);
    } else {
        session.printer.findings(&findings);
    }
    let errors = checks::errors(&findings);
    session.printer.result(&checks::summary(&findings));
    Ok(ExitCode::from(if errors.is_empty() { 0 } else { 2 }))
}
