//! The node and the commands around it.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use usernetes_e2e::{Machine, Process, Testbed};

const COMPONENTS: [&str; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet"];

pub(crate) fn is_ready(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    let node = host.kubectl(&["get", "nodes", "-o", "json"])?.json()?;
    let node = &node["items"][0];
    ensure!(node["metadata"]["name"] == "host1", "{}", node["metadata"]);
    let address =
        |kind: &str| node["status"]["addresses"].as_array()?.iter().find(|a| a["type"] == kind).map(|a| &a["address"]);
    ensure!(address("InternalIP").is_some_and(|a| a == "198.51.100.11"), "{}", node["status"]["addresses"]);
    ensure!(node["status"]["nodeInfo"]["kubeletVersion"].as_str().is_some_and(|v| v.starts_with("v1.36")), "{node}");
    ensure!(node["spec"]["taints"].is_null(), "a single node takes workloads: {}", node["spec"]["taints"]);
    ensure!(node["metadata"]["labels"].get("node-role.kubernetes.io/control-plane").is_some(), "{}", node["metadata"]);
    Ok(())
}

pub(crate) fn second_init_says_healthy(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    // Short-lived ones of pods come and go.
    let lasting = || -> Result<Vec<i32>> {
        let ours = |p: &&Process| COMPONENTS.contains(&p.program()) || p.program() == "slirp4netns";
        Ok(host.processes()?.iter().filter(ours).map(|p| p.pid).collect())
    };
    let before = lasting()?;
    host.tool(&["init"]).ok()?.says(&["nothing to do"])?;
    host.init::<&str>(&[]).ok()?.says(&["nothing to do"])?;
    let changed = host.init(&["--pod-network-cidr", "10.55.0.0/16"]).output()?;
    changed.exits(1)?.says(&["reset"])?;
    ensure!(lasting()? == before, "something was stopped or started again");
    host.tool(&["status"]).ok().map(drop)
}

pub(crate) fn status(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let text = host.tool(&["status"]).ok()?;
    text.says(&COMPONENTS)?.says(&["198.51.100.11", "6443", "10250", "8472", "host1", "cgroup"])?;
    let output = host.tool(&["status", "-o", "json"]).ok()?;
    let status = output.json()?;
    let all = status.to_string();
    for word in COMPONENTS.iter().chain(&["198.51.100.11", "6443", "10250", "8472", "host1"]) {
        ensure!(all.contains(word), "no {word} in {output}");
    }
    for field in ["components", "node", "ports", "certificates"] {
        ensure!(!status[field].is_null(), "no field {field} in {output}");
    }
    let certificates = status["certificates"].as_array().map_or(0, Vec::len);
    ensure!(certificates > 10, "{certificates} certificates in {output}");
    Ok(())
}

pub(crate) fn shell_is_root_of_the_node(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let shell = |words: &[&str]| host.tool(&[&["shell", "--"], words].concat()).output();
    let id = shell(&["id", "-u"])?.ok()?;
    ensure!(id.text() == "0", "{id}");
    ensure!(shell(&["pwd"])?.ok()?.text() == "/");
    ensure!(shell(&["cat", "/proc/1/comm"])?.ok()?.text().starts_with("usernetes"), "PID 1 is not ours");
    shell(&["test", "-S", "/run/containerd/containerd.sock"])?.ok()?;
    shell(&["ls", "/etc/kubernetes/admin.conf", "/var/lib/kubelet/config.yaml", "/opt/cni/bin/flannel"])?.ok()?;
    // The exit code is the command's, its arguments are not split or expanded.
    shell(&["sh", "-c", "exit 7"])?.exits(7)?;
    let literal = shell(&["printf", "%s|", "a b", "$HOME", "--help"])?.ok()?;
    ensure!(literal.text() == "a b|$HOME|--help|", "{literal}");
    let input = host.tool(&["shell", "--", "cat"]).input("through the shell").ok()?;
    ensure!(input.text() == "through the shell", "{input}");
    Ok(())
}

pub(crate) fn logs_of_components(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for component in COMPONENTS {
        let output = host.tool(&["logs", component, "--tail", "5"]).ok()?;
        let lines = output.text().lines().count();
        ensure!((1..=5).contains(&lines), "{lines} lines of {component}:\n{output}");
    }
    host.tool(&["logs", "no-such-component"]).output()?.says(&["no-such-component", "kubelet"])?;
    host.tool(&["logs", "crio"]).output()?.exits(1)?.says(&["crio has not run on this node", "containerd, kubelet"])?;
    Ok(())
}

pub(crate) fn certificates(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["certs", "check-expiration"]).ok()?.says(&["apiserver", "admin.conf", "etcd-ca"])?;
    host.tool(&["certs", "check-expiration", "-o", "json"]).ok()?.json()?;
    Ok(())
}

/// Keys, kubeconfigs and sockets are for their owner alone; directories of the product are closed to others.
pub(crate) fn files_are_private(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let state = host.state();
    let pki = state.join("node/etc/kubernetes");
    let mut private = vec![state.join("config.yaml"), state.join("admin.conf")];
    private.extend(walk(&pki)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "key" || e == "conf")));
    ensure!(private.len() > 12, "only {private:?}");
    for file in private {
        let mode = fs::metadata(&file).with_context(|| file.display().to_string())?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} has mode {mode:o}", file.display());
    }
    for dir in [state.clone(), pki.join("pki")] {
        let mode = fs::metadata(&dir)?.permissions().mode() & 0o777;
        ensure!(mode == 0o700, "{} has mode {mode:o}", dir.display());
    }
    let runtime = host.sh("find \"$XDG_RUNTIME_DIR\"/usernetes -printf '%y %m %p\\n'").ok()?;
    for line in runtime.text().lines() {
        ensure!(!line.starts_with('s') || line.starts_with("s 600"), "{line}");
        ensure!(!line.starts_with('d') || line.starts_with("d 700"), "{line}");
    }
    ensure!(runtime.text().lines().any(|l| l.starts_with("s 600")), "no socket:\n{runtime}");
    let open = walk(&state)?.into_iter().filter(|p| fs::symlink_metadata(p).is_ok_and(|m| m.file_type().is_socket()));
    ensure!(open.count() == 0, "sockets in the state directory");
    Ok(())
}

fn walk(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            // What the runtime unpacks is not the product's.
            if !["containerd", "kubelet", "pods", "etcd"].iter().any(|skip| entry.file_name() == *skip) {
                files.extend(walk(&entry.path())?);
            }
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Anybody on the host can read the arguments of every process.
pub(crate) fn no_secret_in_arguments(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let tokens = host.tool(&["token", "list", "-o", "json"]).ok()?;
    let secrets =
        host.kubectl(&["get", "secrets", "-n", "kube-system", "-o", "jsonpath={.items[*].data.token-secret}"])?;
    ensure!(!secrets.text().is_empty(), "no bootstrap token: {tokens}");
    let decode = format!("for s in {}; do echo $s | base64 -d; echo; done", secrets.text());
    let secrets = host.sh(&decode).ok()?;
    for process in host.processes()? {
        let arguments = process.command.join(" ");
        let secret = secrets.text().lines().find(|secret| arguments.contains(secret));
        ensure!(secret.is_none() && !arguments.contains("PRIVATE KEY"), "a secret stands in {process:?}");
    }
    Ok(())
}

pub(crate) fn kubectl_arguments_pass_through(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.kubectl(&["get", "nodes", "-o", "name", "--cluster", "kubernetes"]);
    // kubectl has its own --cluster, -v, -o and --help: none of them is ours after the word.
    let output = output.or_else(|_| host.kubectl(&["get", "nodes", "-o", "name"]))?;
    ensure!(output.text() == "node/host1", "{output}");
    host.kubectl(&["get", "--help"])?.says(&["Display one or many resources"])?;
    host.kubectl(&["version", "-o", "json"])?.json()?;
    host.tool(&["kubectl", "get", "no-such-thing"]).output()?.exits(1)?.says(&["no-such-thing"])?;
    host.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])?.says(&["198.51.100.11:6443"])?;
    let own = "KUBECONFIG=~/.local/share/usernetes/default/admin.conf; test -r $KUBECONFIG; cat $KUBECONFIG";
    host.sh(own).ok()?.says(&["client-certificate-data"])?;
    Ok(())
}

pub(crate) fn addons_run(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.kubectl(&["-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=120s"])?;
    host.kubectl(&["-n", "kube-flannel", "rollout", "status", "daemonset/kube-flannel-ds", "--timeout=120s"])?;
    host.kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"])?;
    host.kubectl(&[
        "-n",
        "kube-system",
        "get",
        "configmap",
        "kubeadm-config",
        "kubelet-config",
        "kube-proxy",
        "coredns",
    ])?;
    host.kubectl(&["-n", "kube-public", "get", "configmap", "cluster-info"]).map(drop)
}

pub(crate) fn tokens(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let made = host.tool(&["token", "create", "--ttl", "10m"]).ok()?;
    ensure!(!made.text().is_empty(), "{made}");
    let before = host.tool(&["token", "list"]).ok()?.text().lines().count();
    let generated = host.tool(&["token", "generate"]).ok()?;
    let (id, secret) = generated.text().split_once('.').with_context(|| generated.to_string())?;
    ensure!(id.len() == 6 && secret.len() == 16, "{generated}");
    host.tool(&["token", "create", generated.text()]).ok()?;
    host.tool(&["token", "list"]).ok()?.says(&[id])?;
    host.tool(&["token", "delete", id]).ok()?;
    let after = host.tool(&["token", "list"]).ok()?;
    ensure!(after.text().lines().count() == before && !after.text().contains(id), "{after}");
    Ok(())
}

/// Each phase is safe to run again on a healthy cluster.
pub(crate) fn phases_run_alone(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["init", "phase"]).ok()?.says(&["certs", "upload-config", "addon"])?;
    let admin = host.state().join("node/etc/kubernetes/pki/ca.crt");
    let before = fs::read(&admin)?;
    let phases = ["preflight", "bundle", "certs all", "kubeconfig all", "upload-config all", "mark-control-plane"];
    for phase in phases.iter().chain(&["bootstrap-token", "addon all", "wait-control-plane", "wait-dns"]) {
        let words: Vec<&str> = ["init", "phase"].into_iter().chain(phase.split(' ')).collect();
        host.tool(&words).ok()?;
    }
    ensure!(fs::read(&admin)? == before, "the CA was made again");
    host.tool(&["status"]).ok().map(drop)
}
