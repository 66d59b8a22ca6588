//! What a node is made of on this host: the configuration's choices, resolved by what the host has.
//!
//! The parent does this and not the command that starts it: a systemd unit has cgroups that the user's shell lacks.

use crate::{DaemonError, Instance, PodIds, kept};
use std::path::{Path, PathBuf};
use usernetes_api::bundle::BundleManifest;
use usernetes_api::constants::{FUSE_OVERLAYFS_PROGRAM, KUBELETS_VERIFIED_FILE, PKI_DIR};
use usernetes_api::{CgroupMode, CgroupSelection, Config, ContainerRuntime, OciRuntime, Paths, Snapshotter};
use usernetes_host::env;
use usernetes_node::bundle::{self, Check};
use usernetes_node::{Cri, KubeletServing, NodePlan, ResolvedHost, Role};
use usernetes_pki::spec::KUBELET_SERVING_CA;
use usernetes_pki::{CertParams, store};
use usernetes_rootless::SubIds;
use usernetes_rootless::checks::{Overlay, overlay};

/// The plan of the node that `config` describes, with its verified bundle. Only while the node does not run: its bundle is put
/// below the state directory.
pub(crate) fn resolve_plan(instance: &Instance, config: &Config) -> Result<NodePlan, DaemonError> {
    let paths = &instance.paths;
    let bundle = bundle::find_bundle(config, paths)?;
    bundle.verify(&bundle::stamps_directory(&bundle, paths), Check::Changed, &|_| {})?;
    let bundle = bundle::pin_bundle(bundle, paths)?;
    let cri = Cri::find(config.container_runtime())?;
    let host = ResolvedHost {
        cgroups: select_cgroup_mode(config)?,
        snapshotter: select_snapshotter(instance, config, bundle.manifest()),
        oci_runtime: find_oci_runtime(config, bundle.dir())?,
        // Pods with user namespaces were tested with containerd only.
        user_namespaces: cri == Cri::Containerd && PodIds::new(&SubIds::current()?, config).suffice(),
        cri,
        external_ca: !paths.node(PKI_DIR).join("ca.key").exists(),
        kubelet_serving: find_kubelet_serving(paths),
        open_files: env::open_files_limit(),
        first_free_port: env::first_free_port(),
        outgoing_ports: env::outgoing_ports(),
        memory: env::memory()?,
        published: kept::ports::list(paths)?,
        proxy_env: kept::proxies::list(paths)?,
    };
    Ok(NodePlan::new(config, paths, bundle.dir(), bundle.manifest(), host)?)
}

/// By the files of a control plane: the CA's key, and the mark that every kubelet has a certificate of it.
fn find_kubelet_serving(paths: &Paths) -> KubeletServing {
    let key = paths.node(PKI_DIR).join(format!("{KUBELET_SERVING_CA}.key"));
    match (key.exists(), paths.node(KUBELETS_VERIFIED_FILE).exists()) {
        (false, _) => KubeletServing::SelfSigned,
        (true, false) => KubeletServing::Signed,
        (true, true) => KubeletServing::Verified,
    }
}

/// Makes the CA for serving certificates of kubelets where an earlier version has made the control plane.
pub(crate) fn complete_pki(instance: &Instance, config: &Config) -> Result<(), DaemonError> {
    let pki = instance.paths.node(PKI_DIR);
    let file = pki.join(format!("{KUBELET_SERVING_CA}.crt"));
    if Role::of(config) == Role::Worker || file.exists() || !pki.join("ca.crt").exists() {
        return Ok(());
    }
    store::ensure(&pki, KUBELET_SERVING_CA, &CertParams::from_config(config)?)?;
    tracing::info!(file = %file.display(), "CA for serving certificates of kubelets made");
    Ok(())
}

fn select_cgroup_mode(config: &Config) -> Result<CgroupMode, DaemonError> {
    let probe = usernetes_rootless::probe_cgroup();
    match config.rootless.cgroups {
        CgroupSelection::None => Ok(CgroupMode::None),
        CgroupSelection::Delegated => match probe.obstacle {
            Some(obstacle) => Err(DaemonError::Cgroups { reason: obstacle.reason, hint: obstacle.hint }),
            None => Ok(CgroupMode::Delegated),
        },
        CgroupSelection::Auto => Ok(probe.mode),
    }
}

fn select_snapshotter(instance: &Instance, config: &Config, manifest: &BundleManifest) -> Snapshotter {
    if config.rootless.snapshotter != Snapshotter::Auto {
        return config.rootless.snapshotter;
    }
    // There is none for CRI-O.
    let has_fuse =
        config.container_runtime() == ContainerRuntime::Containerd && manifest.has_file(FUSE_OVERLAYFS_PROGRAM);
    match overlay(&instance.paths.state()) {
        Overlay::Kernel => Snapshotter::Overlayfs,
        Overlay::Fuse if has_fuse => Snapshotter::FuseOverlayfs,
        Overlay::Fuse | Overlay::None => Snapshotter::Native,
    }
}

/// crun comes from the host: its distribution links it with libraries of the host.
fn find_oci_runtime(config: &Config, bundle: &Path) -> Result<PathBuf, DaemonError> {
    match config.rootless.oci_runtime {
        OciRuntime::Runc => Ok(bundle.join("bin/runc")),
        OciRuntime::Crun => env::find_program("crun").ok_or_else(|| DaemonError::MissingProgram {
            message: "crun is not in PATH".into(),
            hint: "usernetes-rs preflight --oci-runtime crun".into(),
        }),
    }
}
