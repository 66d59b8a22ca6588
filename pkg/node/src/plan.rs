//! The plan of a node: everything that command lines, configuration files and supervision depend on.
//!
//! It is made once, on the host; the child reads it as JSON and asks nothing else. A copy lies in the state
//! folder, so that `status` and `start` see what the node was built from.

use crate::component::{self, ComponentName, Extra};
use crate::cri::Cri;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use usernetes_api::bundle::{BundleImage, BundleManifest};
use usernetes_api::{
    CgroupMode, Config, EnvVar, Paths, PortShift, PortSpec, ServiceNetwork, Snapshotter, Taint, constants,
};
use usernetes_host::fs::{self, FsError, Mode};

impl ImageArchive {
    /// An empty file that marks the archive as imported; below the store, so that both are deleted together.
    pub(crate) fn marker(&self, store: &Path) -> PathBuf {
        store.join("imported").join(&self.sha256)
    }

    /// Whether the image is in the store.
    pub(crate) fn is_imported(&self, store: &Path) -> bool {
        self.marker(store).exists()
    }
}

/// What the node does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// etcd and the control plane run here.
    ControlPlane,
    /// Only the container runtime and the kubelet.
    Worker,
}

/// What was found out about the host, or decided from it, before the plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Result of the cgroup probe.
    pub cgroups: CgroupMode,
    /// Result of the snapshotter probe; never [`Snapshotter::Auto`].
    pub snapshotter: Snapshotter,
    /// What the runtime calls for each container: runc or crun.
    pub oci_runtime: PathBuf,
    /// What runs pods.
    pub cri: Cri,
    /// Whether there are ids for all pods that may want their own user namespace.
    pub user_namespaces: bool,
    /// `ca.key` is not on this host: the controller manager signs nothing.
    pub external_ca: bool,
    /// Hard limit of open files that the node's processes inherit.
    pub open_files: u64,
    /// The first port of the host that an ordinary user may bind.
    pub first_free_port: u16,
    /// The host's memory in bytes.
    pub memory: u64,
    /// Ports that were published by hand.
    pub published: Vec<PortSpec>,
    /// Proxy variables of the caller's environment (`HTTP_PROXY`, …), handed on to components as kubeadm does.
    pub proxy_env: Vec<EnvVar>,
}

/// An image archive of the bundle that is put into the runtime's store at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageArchive {
    /// Reference that pods use.
    pub reference: String,
    /// The archive.
    pub path: PathBuf,
    /// Its SHA-256 according to the bundle's manifest.
    pub sha256: String,
    /// Whether pods of the node itself, which start as soon as it is registered, need it.
    pub early: bool,
}

/// The plan of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePlan {
    /// What it does.
    pub role: Role,
    /// Its name in the cluster.
    pub node_name: String,
    /// The cluster's name in kubeconfigs and flags.
    pub cluster_name: String,
    /// HOST_IP, the node's InternalIP.
    pub host_ip: IpAddr,
    /// Port of this node's API server.
    pub api_server_port: u16,
    /// `HOST:PORT` under which all nodes reach the API.
    pub control_plane_endpoint: String,
    /// Addresses of pods.
    pub pod_subnet: IpNet,
    /// Addresses of Services.
    pub service_subnet: IpNet,
    /// DNS domain of Services.
    pub dns_domain: String,
    /// Whether pods get cgroups.
    pub cgroups: CgroupMode,
    /// How the runtime puts layers of images together.
    pub snapshotter: Snapshotter,
    /// What the runtime calls for each container: runc or crun.
    #[serde(default)]
    pub oci_runtime: PathBuf,
    /// What runs pods.
    #[serde(default)]
    pub cri: Cri,
    /// Whether there are ids for all pods that may want their own user namespace.
    #[serde(default)]
    pub user_namespaces: bool,
    /// The controller manager signs nothing.
    pub external_ca: bool,
    /// Most files that the kubelet may ask for.
    pub open_files: u64,
    /// The host's memory in bytes; 0 where it is not known.
    #[serde(default)]
    pub memory: u64,
    /// The kubelet's port.
    pub kubelet_port: u16,
    /// VXLAN's UDP port.
    pub vxlan_port: u16,
    /// What is published in place of ports that are the administrator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_shift: Option<PortShift>,
    /// Ports that were published by hand, and are again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PortSpec>,
    /// Taints of the node when it registers.
    pub taints: Vec<Taint>,
    /// Folder of the verified bundle.
    pub bundle: PathBuf,
    /// The kept program, see [`Paths::program`].
    pub program: PathBuf,
    /// Folder of logs of components.
    pub logs: PathBuf,
    /// Image of pod sandboxes.
    pub sandbox_image: String,
    /// Image archives of the bundle.
    pub images: Vec<ImageArchive>,
    /// The early images are not all in the runtime's store: the Node carries [`constants::IMAGES_LABEL`] until they are, or
    /// pods that come before them would try a registry.
    pub importing: bool,
    /// Variables of every component.
    pub proxy_env: Vec<EnvVar>,
    /// Extra flags and variables, by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<ComponentName, Extra>,
    /// The user's KubeletConfiguration, laid over ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<Mapping>,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// HOST_IP was not set by defaults.
    #[error("no address of this host in the configuration")]
    NoHostIp,
    /// A range is not one; validation was left out.
    #[error("{field} {value:?} is not an address range")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// containerd has no fuse-overlayfs snapshotter of its own, and this bundle brings none.
    #[error("snapshotter fuse-overlayfs is not in bundle {}; native works everywhere", bundle.display())]
    NoFuseOverlayfs {
        /// Folder of the bundle.
        bundle: PathBuf,
    },
    /// The bundle lacks an image that every node needs.
    #[error("bundle {} has no image {image}", bundle.display())]
    NoImage {
        /// Folder of the bundle.
        bundle: PathBuf,
        /// Name of the image.
        image: &'static str,
    },
}

impl NodePlan {
    /// Makes the plan from a configuration with defaults set, a verified bundle and what was found out.
    pub fn new(
        config: &Config,
        paths: &Paths,
        bundle: &Path,
        manifest: &BundleManifest,
        decisions: Decisions,
    ) -> Result<Self, PlanError> {
        let role = if config.join.is_some() { Role::Worker } else { Role::ControlPlane };
        let host_ip = config.rootless.host_ip.ok_or(PlanError::NoHostIp)?;
        let api_server_port = config.api_server_port();
        let registration = config.node_registration();
        if decisions.snapshotter == Snapshotter::FuseOverlayfs && !manifest.has_file(constants::FUSE_OVERLAYFS_PROGRAM)
        {
            return Err(PlanError::NoFuseOverlayfs { bundle: bundle.to_owned() });
        }
        let pause = manifest.image("pause");
        let pause = pause.ok_or_else(|| PlanError::NoImage { bundle: bundle.to_owned(), image: "pause" })?;
        let images = archives(bundle, manifest);
        let store = paths.node(decisions.cri.store());
        let is_missing = |image: &ImageArchive| image.early && !image.is_imported(&store);
        Ok(Self {
            role,
            node_name: registration.name.clone(),
            cluster_name: config.cluster.cluster_name.clone(),
            host_ip,
            api_server_port,
            control_plane_endpoint: endpoint(config, host_ip, api_server_port),
            pod_subnet: range("networking.podSubnet", &config.cluster.networking.pod_subnet)?,
            service_subnet: range("networking.serviceSubnet", &config.cluster.networking.service_subnet)?,
            dns_domain: config.cluster.networking.dns_domain.clone(),
            cgroups: decisions.cgroups,
            snapshotter: decisions.snapshotter,
            oci_runtime: decisions.oci_runtime,
            cri: decisions.cri,
            user_namespaces: decisions.user_namespaces,
            external_ca: decisions.external_ca,
            open_files: decisions.open_files,
            memory: decisions.memory,
            kubelet_port: config.rootless.ports.kubelet,
            vxlan_port: config.rootless.ports.vxlan,
            port_shift: match config.rootless.ports.privileged_port_offset {
                0 => None,
                by => Some(PortShift { below: decisions.first_free_port, by }),
            },
            published: decisions.published,
            taints: taints(config, role, registration.taints.as_deref()),
            bundle: bundle.to_owned(),
            program: paths.program(),
            logs: paths.logs(),
            sandbox_image: pause.reference.clone(),
            importing: images.iter().any(is_missing),
            images,
            proxy_env: decisions.proxy_env,
            extra: component::collect_extras(config),
            kubelet: config.kubelet.clone(),
        })
    }

    /// Writes the plan to [`NodePlan::path`].
    pub fn save(&self, paths: &Paths) -> Result<(), FsError> {
        let json = serde_json::to_vec_pretty(self).expect("our types have string keys");
        // Extra environment may hold a proxy's password.
        fs::write(Self::path(paths), json, Mode::Secret)
    }

    /// The plan that was kept; `None` if there is none, or one of another version.
    pub fn load(paths: &Paths) -> Result<Option<Self>, FsError> {
        Ok(fs::read_if_exists(Self::path(paths))?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Where the plan lies.
    pub fn path(paths: &Paths) -> PathBuf {
        paths.state().join("plan.json")
    }

    /// `None` on a worker: leaves constructors of what only a control plane runs.
    pub(crate) fn require_control_plane(&self) -> Option<()> {
        (self.role == Role::ControlPlane).then_some(())
    }

    /// A program of the bundle.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.bundle.join("bin").join(name)
    }

    /// What CRI-O calls the way in which layers are put together.
    pub fn crio_storage_driver(&self) -> &'static str {
        crate::config::crio_storage_driver(self.snapshotter)
    }

    /// Whether the user gave a component this flag.
    pub(crate) fn has_arg(&self, component: ComponentName, flag: &str) -> bool {
        self.extra.get(&component).is_some_and(|extra| extra.args.iter().any(|arg| arg.name == flag))
    }

    /// Addresses of Services with a fixed meaning.
    pub fn services(&self) -> ServiceNetwork {
        ServiceNetwork(self.service_subnet)
    }
}

fn range(field: &'static str, value: &str) -> Result<IpNet, PlanError> {
    value.parse().map_err(|_| PlanError::Range { field, value: value.to_owned() })
}

/// What all nodes were told, else what this node discovered the cluster by, else its own API server.
fn endpoint(config: &Config, host_ip: IpAddr, port: u16) -> String {
    let discovery = config.join.as_ref().and_then(|join| join.discovery.bootstrap_token.as_ref());
    if !config.cluster.control_plane_endpoint.is_empty() {
        config.cluster.control_plane_endpoint.clone()
    } else if let Some(discovery) = discovery {
        discovery.api_server_endpoint.clone()
    } else {
        std::net::SocketAddr::new(host_ip, port).to_string()
    }
}

fn taints(config: &Config, role: Role, wanted: Option<&[Taint]>) -> Vec<Taint> {
    match wanted {
        Some(taints) => taints.to_vec(),
        None if role == Role::ControlPlane && config.rootless.taint_control_plane => vec![Taint {
            key: constants::CONTROL_PLANE_LABEL.to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
        }],
        None => Vec::new(),
    }
}

/// The order in which a new cluster needs its images; others follow.
const IMAGE_ORDER: [&str; 4] = ["pause", "kube-proxy", "flannel", "coredns"];
/// How many of them the pods need that every node has at once.
const EARLY: usize = 3;

fn archives(bundle: &Path, manifest: &BundleManifest) -> Vec<ImageArchive> {
    let rank = |image: &BundleImage| IMAGE_ORDER.iter().position(|name| *name == image.name);
    let archive = |image: &BundleImage| {
        let path = image.path.as_ref()?;
        let file = manifest.files.iter().find(|file| &file.path == path)?;
        let (reference, sha256) = (image.reference.clone(), file.sha256.clone());
        let early = rank(image).is_some_and(|rank| rank < EARLY);
        Some(ImageArchive { reference, path: bundle.join(path), sha256, early })
    };
    let mut images: Vec<_> = manifest.images.iter().collect();
    images.sort_by_key(|image| rank(image).unwrap_or(IMAGE_ORDER.len()));
    images.into_iter().filter_map(archive).collect()
}

#[cfg(test)]
pub(crate) mod tests;
