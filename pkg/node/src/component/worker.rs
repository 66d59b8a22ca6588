//! The container runtime and the kubelet: what every node runs.

use super::ComponentName::{Containerd, Crio, FuseOverlayfs, Kubelet};
use super::flags::{build_argv, build_env};
use super::{Component, Condition, GRACE, StopStage};
use crate::cri::{self, Cri};
use crate::probe::Probe;
use crate::{NodePlan, Role, config};
use std::net::{Ipv4Addr, SocketAddr};
use usernetes_api::{Snapshotter, Taint, constants as c};

/// Takes its two arguments by position.
pub(super) fn fuse_overlayfs(plan: &NodePlan) -> Option<Component> {
    if plan.host.snapshotter != Snapshotter::FuseOverlayfs {
        return None;
    }
    let program = plan.software.bundle.join(c::FUSE_OVERLAYFS_PROGRAM).to_string_lossy().into_owned();
    Some(Component {
        name: FuseOverlayfs,
        argv: vec![program, c::FUSE_OVERLAYFS_SOCKET.to_owned(), c::FUSE_OVERLAYFS_DIR.to_owned()],
        env: build_env(plan, FuseOverlayfs),
        ready: Probe::Unix(c::FUSE_OVERLAYFS_SOCKET.into()),
        // It has no request that changes nothing.
        live: None,
        start_after: Vec::new(),
        stop: StopStage::AfterPods,
        grace: GRACE,
    })
}

/// Reads no drop-ins: those of the host configure the administrator's CRI-O.
pub(super) fn crio(plan: &NodePlan) -> Option<Component> {
    let Cri::CriO(programs) = &plan.host.cri else { return None };
    let mut env = build_env(plan, Crio);
    env.insert("_CRIO_ROOTLESS".to_owned(), "1".to_owned());
    env.extend(cri::storage_env());
    Some(Component {
        name: Crio,
        argv: vec![
            programs.crio.to_string_lossy().into_owned(),
            format!("--config={}", config::CRIO_FILE),
            "--config-dir=".to_owned(),
        ],
        env,
        ready: Probe::Runtime(c::CRIO_SOCKET.into()),
        live: Some(Probe::Runtime(c::CRIO_SOCKET.into())),
        start_after: Condition::files([config::CRIO_FILE.to_owned()]),
        stop: StopStage::AfterPods,
        grace: GRACE,
    })
}

pub(super) fn containerd(plan: &NodePlan) -> Option<Component> {
    if plan.host.cri != Cri::Containerd {
        return None;
    }
    let mut start_after = Condition::files([config::CONTAINERD_FILE.to_owned()]);
    if plan.host.snapshotter == Snapshotter::FuseOverlayfs {
        start_after.push(Condition::Ready(FuseOverlayfs));
    }
    Some(Component {
        name: Containerd,
        argv: build_argv(plan, Containerd, vec![("config", config::CONTAINERD_FILE.to_owned())]),
        env: build_env(plan, Containerd),
        ready: Probe::Runtime(c::CONTAINERD_SOCKET.into()),
        live: Some(Probe::Runtime(c::CONTAINERD_SOCKET.into())),
        start_after,
        stop: StopStage::AfterPods,
        grace: GRACE,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "constructors of the table have one signature")]
pub(super) fn kubelet(plan: &NodePlan) -> Option<Component> {
    let kubeconfig = format!("{}/kubelet.conf", c::KUBERNETES_DIR);
    let mut flags = vec![
        ("config", config::KUBELET_FILE.to_owned()),
        ("kubeconfig", kubeconfig.clone()),
        ("hostname-override", plan.node_name.clone()),
        ("node-ip", plan.host_ip.to_string()),
    ];
    let mut credentials = vec![kubeconfig];
    if plan.role == Role::Worker {
        // `join` requests the certificate while the runtime starts, and writes it last.
        credentials.push(format!("{}/pki/kubelet-client-current.pem", c::KUBELET_DIR));
    }
    if !plan.taints.is_empty() {
        flags.push(("register-with-taints", format_taints(&plan.taints)));
    }
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), c::KUBELET_HEALTHZ_PORT);
    let healthy = Probe::Http { address, path: "/healthz" };
    let mut argv = build_argv(plan, Kubelet, flags);
    if plan.software.importing {
        // In addition to the user's labels: the flag may be repeated.
        argv.push(format!("--node-labels={}={}", c::IMAGES_LABEL, c::IMAGES_IMPORTING));
    }
    let mut start_after = Condition::files(credentials);
    // The kubelet exits if the runtime does not answer yet.
    start_after.push(Condition::Ready(plan.host.cri.component()));
    Some(Component {
        name: Kubelet,
        argv,
        env: build_env(plan, Kubelet),
        ready: healthy.clone(),
        live: Some(healthy),
        start_after,
        stop: StopStage::BeforePods,
        grace: GRACE,
    })
}

fn format_taints(taints: &[Taint]) -> String {
    taints.iter().map(|taint| format!("{}={}:{}", taint.key, taint.value, taint.effect)).collect::<Vec<_>>().join(",")
}
