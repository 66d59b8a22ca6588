//! containerd's `config.toml`.
//!
//! Every containerd 2 reads version 3. The socket is not set: its default is used, and its key moved in version 4.

use crate::image_store::host_platform;
use crate::{NodePlan, oci_runtime};
use serde_json::{Value, json};
use std::path::PathBuf;
use usernetes_api::{CgroupMode, Snapshotter, constants as c};

/// The text of [`super::CONTAINERD_FILE`].
pub fn render_containerd(plan: &NodePlan) -> String {
    let mut config = json!({
        "version": 3,
        "root": c::CONTAINERD_DIR,
        "state": "/run/containerd",
        "plugins": {
            "io.containerd.cri.v1.images": image_settings(plan),
            "io.containerd.cri.v1.runtime": runtime_settings(plan),
            "io.containerd.transfer.v1.local": transfer_settings(plan),
            // The default, /opt/containerd, can be made by root only.
            "io.containerd.internal.v1.opt": { "path": format!("{}/opt", c::CONTAINERD_DIR) },
        },
    });
    if plan.host.snapshotter == Snapshotter::FuseOverlayfs {
        config["proxy_plugins"] = proxy_plugins();
    }
    toml::to_string(&config).expect("no nulls, string keys")
}

/// Snapshotter of pods with a user namespace of their own. It copies layers: those of an overlay would have to be id-mapped
/// mounts, which require privileges over the file system of the disk. Without an entry of the platform the node has no statistics.
const MAPPED: Snapshotter = Snapshotter::Native;

fn image_settings(plan: &NodePlan) -> Value {
    json!({
        "snapshotter": snapshotter_name(plan.host.snapshotter),
        "pinned_images": { "sandbox": plan.software.sandbox_image },
        "runtime_platforms": {
            c::USER_NAMESPACES_CLASS: { "platform": host_platform(), "snapshotter": snapshotter_name(MAPPED) },
        },
    })
}

/// Settings of the transfer service: pulls and imports unpack into the snapshotter named here.
fn transfer_settings(plan: &NodePlan) -> Value {
    json!({
        "unpack_config": [{ "platform": host_platform(), "snapshotter": snapshotter_name(plan.host.snapshotter) }],
    })
}

/// Settings of the snapshotter that is a process of its own. Its `root` tells the kubelet on which disk images are.
fn proxy_plugins() -> Value {
    json!({
        snapshotter_name(Snapshotter::FuseOverlayfs): {
            "type": "snapshot",
            "address": c::FUSE_OVERLAYFS_SOCKET,
            "exports": { "root": c::FUSE_OVERLAYFS_DIR },
        },
    })
}

fn runtime_settings(plan: &NodePlan) -> Value {
    json!({
        // Raising one's own badness is allowed, lowering it is root's: without this no pod starts.
        "restrict_oom_score_adj": true,
        "disable_apparmor": true,
        "disable_hugetlb_controller": true,
        "tolerate_missing_hugetlb_controller": true,
        "cni": {
            "bin_dirs": [c::CNI_BIN_DIR],
            "conf_dir": c::CNI_CONF_DIR,
            // Saves a process per sandbox.
            "use_internal_loopback": true,
        },
        "containerd": {
            "default_runtime_name": "runc",
            "runtimes": {
                "runc": runtime_handler(oci_program(plan)),
                c::USER_NAMESPACES_CLASS: user_namespace_handler(plan),
            },
        },
    })
}

/// containerd's name of a snapshotter.
pub(crate) fn snapshotter_name(snapshotter: Snapshotter) -> &'static str {
    match snapshotter {
        Snapshotter::Auto | Snapshotter::Overlayfs => "overlayfs",
        Snapshotter::FuseOverlayfs => "fuse-overlayfs",
        Snapshotter::Native => "native",
    }
}

fn runtime_handler(program: PathBuf) -> Value {
    json!({
        "runtime_type": "io.containerd.runc.v2",
        "options": { "BinaryName": program, "SystemdCgroup": false },
    })
}

fn user_namespace_handler(plan: &NodePlan) -> Value {
    let mut handler = runtime_handler(wrapped_program(plan));
    handler["snapshotter"] = snapshotter_name(MAPPED).into();
    handler
}

/// Path of runc or crun; without delegated cgroups, of the wrapper that removes cgroup settings.
fn oci_program(plan: &NodePlan) -> PathBuf {
    match plan.host.cgroups {
        CgroupMode::Delegated => plan.host.oci_runtime.clone(),
        CgroupMode::None => sibling_program(plan, oci_runtime::WITHOUT_CGROUPS),
    }
}

/// Path of the wrapper of runc or crun that adjusts containers; without delegated cgroups it removes cgroup settings too.
pub(super) fn wrapped_program(plan: &NodePlan) -> PathBuf {
    sibling_program(
        plan,
        match plan.host.cgroups {
            CgroupMode::Delegated => oci_runtime::PROGRAM_NAME,
            CgroupMode::None => oci_runtime::WITHOUT_CGROUPS,
        },
    )
}

fn sibling_program(plan: &NodePlan, name: &str) -> PathBuf {
    plan.software.program.with_file_name(name)
}
