//! The floor: the same programs with the same flags, started by two short scripts and nothing else.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;

use crate::command::background::Background;
use crate::testbed::host::Host;
use crate::testbed::machine::Machine;

/// What is started: components, by the names of their programs, and files beside those of every node.
pub(super) struct Parts {
    components: &'static [&'static str],
    files: &'static str,
}

/// A node with a control plane.
pub(super) const CONTROL_PLANE: Parts = Parts {
    components: &["etcd", "kube-apiserver", "containerd", "kubelet", "kube-controller-manager", "kube-scheduler"],
    files: "",
};

/// A worker whose kubelet has its certificate.
pub(super) const WORKER: Parts = Parts { components: &["containerd", "kubelet"], files: "var/lib/kubelet/pki" };

/// What the user starts, and what that runs inside.
const SCRIPTS: [(&str, &str); 2] = [
    ("floor.sh", include_str!("../../../../hack/bench.d/floor.sh")),
    ("floor-node.sh", include_str!("../../../../hack/bench.d/floor-node.sh")),
];
/// Certificates and files of configuration that the product made, without data.
const KEEP: &str = "cp -a --parents etc/kubernetes etc/cni opt var/lib/kubelet/config.yaml \
                    var/lib/containerd/config.toml";

/// A directory on the host with all that the scripts need.
pub(super) struct Floor {
    directory: String,
    /// `super-admin.conf`, as this process sees it.
    pub(super) kubeconfig: PathBuf,
}

impl Floor {
    /// From a node of the product that runs on the host: its command lines, environments and files.
    pub(super) fn of_running(host: &Host, parts: &Parts) -> Result<Self> {
        let directory = format!("{}/floor", host.home());
        host.sh("mkdir -p \"$HOME/floor/template\" \"$HOME/floor/argv\" \"$HOME/floor/env\"").ok()?;
        let (home, files) = (host.home(), parts.files);
        host.admin(&format!("cd {home}/.local/share/usernetes/default/node; {KEEP} {files} {directory}/template"))?;
        let outside = host.in_home("floor");
        let processes = host.processes()?;
        for name in parts.components {
            let process = processes.iter().find(|process| process.program() == *name);
            let pid = process.with_context(|| format!("{name} does not run"))?.pid;
            for (file, kind) in [("cmdline", "argv"), ("environ", "env")] {
                let bytes = fs::read(format!("/proc/{pid}/{file}"))?;
                ensure!(file == "environ" || !bytes.is_empty(), "{name} has no command line");
                fs::write(outside.join(kind).join(name), bytes)?;
            }
        }
        for (name, text) in SCRIPTS {
            fs::write(outside.join(name), text)?;
        }
        let kubeconfig = outside.join("template/etc/kubernetes/super-admin.conf");
        Ok(Self { directory, kubeconfig })
    }

    /// Empty data directories; not measured.
    pub(super) fn prepare(&self, host: &Host) -> Result<()> {
        // Left by overlay with modes that only root passes.
        host.admin(&format!("rm -rf {}/run", self.directory))?;
        host.sh("cd \"$HOME/floor\"; mkdir run; cp -a template run/node; mkfifo -m 600 run/pid").ok().map(drop)
    }

    /// Starts it.
    pub(super) fn start(&self, host: &Host) -> Result<Background> {
        host.run(&["bash", &format!("{}/floor.sh", self.directory), &self.directory, &host.address()]).spawn()
    }
}
