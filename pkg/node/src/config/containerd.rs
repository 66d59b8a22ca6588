//! containerd's `config.toml`.
//!
//! Version 3 is read by every containerd 2; the socket is not named, since its default is the one we use and its key
//! moved in version 4.

use crate::image_store::host_platform;
use crate::{NodePlan, oci_runtime};
use serde_json::{Value, json};
use std::path::PathBuf;
use usernetes_api::{CgroupMode, Snapshotter, constants as c};

/// `/var/lib/containerd/config.toml`.
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

/// Pods with a user namespace of their own get copies: layers of an overlay would have to be mounted with their ids mapped,
/// which is for the owner of the disk's file system. Without the platform's entry the node would have no statistics.
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

/// Pulls and imports unpack into the snapshotter of this service's own configuration.
fn transfer_settings(plan: &NodePlan) -> Value {
    json!({
        "unpack_config": [{ "platform": host_platform(), "snapshotter": snapshotter_name(plan.host.snapshotter) }],
    })
}

/// The snapshotter that is a process of its own. Its root is told, so that the kubelet knows which disk images fill.
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

/// What containerd calls it.
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
    let program = match plan.host.cgroups {
        CgroupMode::Delegated => sibling_program(plan, oci_runtime::PROGRAM_NAME),
        CgroupMode::None => oci_program(plan),
    };
    let mut handler = runtime_handler(program);
    handler["snapshotter"] = snapshotter_name(MAPPED).into();
    handler
}

/// runc or crun, or in front of it the link by which our program takes the cgroups out.
pub(super) fn oci_program(plan: &NodePlan) -> PathBuf {
    match plan.host.cgroups {
        CgroupMode::Delegated => plan.host.oci_runtime.clone(),
        CgroupMode::None => sibling_program(plan, oci_runtime::WITHOUT_CGROUPS),
    }
}

fn sibling_program(plan: &NodePlan, name: &str) -> PathBuf {
    plan.software.program.with_file_name(name)
}
