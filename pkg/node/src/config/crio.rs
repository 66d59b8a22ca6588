//! CRI-O's `crio.conf`: settings of crio.conf(5) whose defaults require root or systemd.

use super::containerd::wrapped_program;
use super::{CRIO_POLICY_FILE, CRIO_RUN_DIR};
use crate::NodePlan;
use crate::cri::{CRIO_TMP_DIR, Cri};
use serde_json::{Value, json};
use usernetes_api::{Snapshotter, constants as c};

/// The text of [`super::CRIO_FILE`].
pub fn render_crio(plan: &NodePlan) -> String {
    let config = json!({
        "crio": {
            "root": c::CRIO_STORAGE_DIR,
            "runroot": CRIO_RUN_DIR,
            "storage_driver": crio_storage_driver(plan.host.snapshotter),
            // The default's directory could be made by root only.
            "log_dir": c::POD_LOG_DIR,
            // On /run, so that a restart of the node is handled as a reboot.
            "version_file": "/run/crio/version",
            "clean_shutdown_file": format!("{}/clean.shutdown", c::CRIO_DIR),
            "api": { "listen": c::CRIO_SOCKET },
            "runtime": runtime_settings(plan),
            "image": image_settings(plan),
            "network": { "network_dir": c::CNI_CONF_DIR, "plugin_dirs": [c::CNI_BIN_DIR] },
            // Plugins of the host would be started inside the node.
            "nri": { "enable_nri": false },
        },
    });
    toml::to_string(&config).expect("no nulls, string keys")
}

/// The text of [`super::CRIO_STORAGE_FILE`], containers-storage.conf(5): for skopeo, and for CRI-O until it has read its
/// own file. The host's file is for podman on the host.
pub fn render_crio_storage(plan: &NodePlan) -> String {
    let storage = json!({
        "driver": crio_storage_driver(plan.host.snapshotter),
        "graphroot": c::CRIO_STORAGE_DIR,
        "runroot": CRIO_RUN_DIR,
    });
    toml::to_string(&json!({ "storage": storage })).expect("no nulls, string keys")
}

/// The text of [`CRIO_POLICY_FILE`], containers-policy.json(5), without which CRI-O does not start. As containerd, it accepts
/// every image.
pub fn render_crio_policy() -> String {
    json!({ "default": [{ "type": "insecureAcceptAnything" }] }).to_string()
}

/// CRI-O's storage driver that corresponds to a snapshotter.
pub fn crio_storage_driver(snapshotter: Snapshotter) -> &'static str {
    match snapshotter {
        Snapshotter::Auto | Snapshotter::Overlayfs | Snapshotter::FuseOverlayfs => "overlay",
        Snapshotter::Native => "vfs",
    }
}

fn runtime_settings(plan: &NodePlan) -> Value {
    let name = if plan.host.oci_runtime.ends_with("crun") { "crun" } else { "runc" };
    let mut runtime = json!({
        "default_runtime": name,
        "cgroup_manager": "cgroupfs",
        // Rootless, CRI-O names no cgroup for a container: our wrapper of the runtime does.
        "conmon_cgroup": "pod",
        "conmon_env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        // Profiles are root's to load.
        "apparmor_profile": "unconfined",
        // Without a pause process CRI-O would make the pod's cgroup itself, which is not permitted without delegation.
        "drop_infra_ctr": false,
        "irqbalance_config_restore_file": "disable",
        "enable_criu_support": false,
        "hooks_dir": [],
        "runtimes": {
            name: { "runtime_path": wrapped_program(plan), "runtime_type": "oci", "runtime_root": format!("/run/{name}") },
        },
    });
    if let Cri::CriO(programs) = &plan.host.cri {
        runtime["conmon"] = json!(programs.conmon);
        runtime["pinns_path"] = json!(programs.pinns);
    }
    runtime
}

fn image_settings(plan: &NodePlan) -> Value {
    json!({
        "pause_image": plan.software.sandbox_image,
        // No garbage collection takes what no registry gives back.
        "pinned_images": plan.software.images.iter().map(|image| &image.reference).collect::<Vec<_>>(),
        "signature_policy": CRIO_POLICY_FILE,
        // The default's directory may be root's.
        "signature_policy_dir": "/run/crio/policies",
        "big_files_temporary_dir": CRIO_TMP_DIR,
    })
}
