//! containerd's `config.toml`.
//!
//! Version 3 is read by every containerd 2; the socket is not named, since its default is the one we use and its key
//! moved in version 4.

use crate::{NodePlan, oci_runtime};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use usernetes_api::{CgroupMode, Snapshotter, constants as c};

/// `/var/lib/containerd/config.toml`.
pub fn containerd(plan: &NodePlan) -> String {
    let config = json!({
        "version": 3,
        "root": c::CONTAINERD_DIR,
        "state": "/run/containerd",
        "plugins": {
            "io.containerd.cri.v1.images": images(plan),
            "io.containerd.cri.v1.runtime": runtime(plan),
            "io.containerd.transfer.v1.local": transfer(plan),
            // The default, /opt/containerd, can be made by root only.
            "io.containerd.internal.v1.opt": { "path": format!("{}/opt", c::CONTAINERD_DIR) },
        },
    });
    toml::to_string(&config).expect("no nulls, string keys")
}

fn images(plan: &NodePlan) -> Value {
    json!({
        "snapshotter": snapshotter(plan.snapshotter),
        "pinned_images": { "sandbox": plan.sandbox_image },
    })
}

/// Pulls and imports unpack into the snapshotter of this service's own configuration.
fn transfer(plan: &NodePlan) -> Value {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    json!({
        "unpack_config": [{
            "platform": format!("linux/{architecture}"),
            "snapshotter": snapshotter(plan.snapshotter),
        }],
    })
}

fn runtime(plan: &NodePlan) -> Value {
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
                "runc": {
                    "runtime_type": "io.containerd.runc.v2",
                    "options": { "BinaryName": oci_program(plan), "SystemdCgroup": false },
                },
            },
        },
    })
}

fn snapshotter(snapshotter: Snapshotter) -> &'static str {
    match snapshotter {
        Snapshotter::Auto | Snapshotter::Overlayfs => "overlayfs",
        Snapshotter::FuseOverlayfs => "fuse-overlayfs",
        Snapshotter::Native => "native",
    }
}

/// runc, or in front of it the link by which our program takes the cgroups out.
fn oci_program(plan: &NodePlan) -> PathBuf {
    match plan.cgroups {
        CgroupMode::Delegated => plan.bin("runc"),
        CgroupMode::None => plan.program.parent().unwrap_or(Path::new("/")).join(oci_runtime::PROGRAM_NAME),
    }
}
