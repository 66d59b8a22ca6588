//! The container runtime and the kubelet: what every node runs.

use super::ComponentName::{Containerd, Crio, FuseOverlayfs, Kubelet};
use super::flags::{argv, env};
use super::{Component, Condition};
use crate::cri::{self, Cri, CrioPrograms};
use crate::probe::Probe;
use crate::{NodePlan, Role, config};
use std::net::{Ipv4Addr, SocketAddr};
use usernetes_api::{Snapshotter, Taint, constants as c};

/// It takes its two arguments by their places.
pub(super) fn fuse_overlayfs(plan: &NodePlan) -> Component {
    let program = plan.bundle.join(c::FUSE_OVERLAYFS_PROGRAM).to_string_lossy().into_owned();
    Component {
        name: FuseOverlayfs,
        argv: vec![program, c::FUSE_OVERLAYFS_SOCKET.to_owned(), c::FUSE_OVERLAYFS_DIR.to_owned()],
        env: env(plan, FuseOverlayfs),
        ready: Probe::Unix(c::FUSE_OVERLAYFS_SOCKET.into()),
        live: None,
        after: Vec::new(),
    }
}

pub(super) fn runtime(plan: &NodePlan) -> Component {
    match &plan.cri {
        Cri::Containerd => containerd(plan),
        Cri::CriO(programs) => crio(plan, programs),
    }
}

/// Files of the host's administrator for a CRI-O of root are not for this one: it reads no drop-ins.
fn crio(plan: &NodePlan, programs: &CrioPrograms) -> Component {
    let mut env = env(plan, Crio);
    env.insert("_CRIO_ROOTLESS".to_owned(), "1".to_owned());
    env.extend(cri::storage_env());
    Component {
        name: Crio,
        argv: vec![
            programs.crio.to_string_lossy().into_owned(),
            format!("--config={}", config::CRIO_FILE),
            "--config-dir=".to_owned(),
        ],
        env,
        ready: Probe::Unix(c::CRIO_SOCKET.into()),
        live: None,
        after: Condition::files([config::CRIO_FILE.to_owned()]),
    }
}

fn containerd(plan: &NodePlan) -> Component {
    let mut after = Condition::files([config::CONTAINERD_FILE.to_owned()]);
    if plan.snapshotter == Snapshotter::FuseOverlayfs {
        after.push(Condition::Ready(FuseOverlayfs));
    }
    Component {
        name: Containerd,
        argv: argv(plan, Containerd, vec![("config", config::CONTAINERD_FILE.to_owned())]),
        env: env(plan, Containerd),
        ready: Probe::Unix(c::CONTAINERD_SOCKET.into()),
        live: None,
        after,
    }
}

pub(super) fn kubelet(plan: &NodePlan) -> Component {
    let own = format!("{}/kubelet.conf", c::KUBERNETES_DIR);
    let mut flags = vec![
        ("config", config::KUBELET_FILE.to_owned()),
        ("kubeconfig", own.clone()),
        ("hostname-override", plan.node_name.clone()),
        ("node-ip", plan.host_ip.to_string()),
    ];
    let mut credentials = vec![own];
    if plan.role == Role::Worker {
        // `join` asks for it while the runtime starts, and writes it last.
        credentials.push(format!("{}/pki/kubelet-client-current.pem", c::KUBELET_DIR));
    }
    if !plan.taints.is_empty() {
        flags.push(("register-with-taints", taints(&plan.taints)));
    }
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), c::KUBELET_HEALTHZ_PORT);
    let healthy = Probe::Http { address, path: "/healthz" };
    let mut argv = argv(plan, Kubelet, flags);
    if plan.importing {
        // Beside the user's labels, not in their place: this flag adds up.
        argv.push(format!("--node-labels={}={}", c::IMAGES_LABEL, c::IMAGES_IMPORTING));
    }
    let mut after = Condition::files(credentials);
    // It exits when the runtime does not answer yet.
    after.push(Condition::Ready(plan.cri.component()));
    Component { name: Kubelet, argv, env: env(plan, Kubelet), ready: healthy.clone(), live: Some(healthy), after }
}

fn taints(taints: &[Taint]) -> String {
    let one = |t: &Taint| format!("{}={}:{}", t.key, t.value, t.effect);
    taints.iter().map(one).collect::<Vec<_>>().join(",")
}
