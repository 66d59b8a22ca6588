//! Beside the cluster of another user, and on a system that is mounted read-only.

use anyhow::{Result, ensure};
use usernetes_e2e::{Guest, Machine, Namespace, Testbed, pod};

use crate::limits::RESOURCES;
use crate::{apply_hint, is_well, preflight, warning};

/// Another user's command, in a login of that user's own.
fn as_bob(guest: &Guest, words: &str) -> Result<String> {
    let command = format!("systemd-run -q --wait --pipe --machine=bob@.host --user usernetes-rs {words}");
    Ok(guest.sh(&command).root().limit(300).ok()?.stdout)
}

/// Each has a cluster with ports of its own, and sees nothing of the other's.
pub(crate) fn two_users(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin(
        "useradd --create-home --shell /bin/bash bob
         usermod --add-subuids 200000-265535 --add-subgids 200000-265535 bob
         loginctl enable-linger alice; loginctl enable-linger bob",
    )?;
    guest.until("bob's service manager is up", 60, |guest| {
        Ok(guest.sh("systemctl is-active -q user@$(id -u bob)").root().output()?.code() == Some(0))
    })?;
    guest.init::<&str>(&[]).ok()?;
    let taken =
        guest.sh("systemd-run -q --wait --pipe --machine=bob@.host --user usernetes-rs init --bundle /srv/bundle");
    taken.root().limit(300).output()?.exits(2)?.says(&["6443", "--apiserver-bind-port"])?;
    let ports = "--apiserver-bind-port 7443 --kubelet-port 11250 --vxlan-port 9472";
    as_bob(guest, &format!("init --bundle /srv/bundle {ports}"))?;
    is_well(guest)?;
    as_bob(guest, "status")?;
    let namespace = Namespace::new(guest, "of-alice")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    ensure!(!as_bob(guest, "kubectl get namespaces")?.contains("of-alice"), "bob sees alice's namespace");
    // Also where bob's home is open to others, as some distributions make it.
    let state = "/home/bob/.local/share/usernetes";
    guest.admin(&format!("chmod 0755 /home/bob /home/bob/.local /home/bob/.local/share; test -d {state}"))?;
    ensure!(guest.sh(&format!("! ls {state}")).output()?.code() == Some(0), "alice sees bob's state");
    as_bob(guest, "reset --force")?;
    is_well(guest)
}

/// As on an image-based system: all but homes and variable data is read-only.
pub(crate) fn read_only_root(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin(
        "loginctl enable-linger alice
         for directory in home var; do mount --bind /$directory /$directory; done
         systemctl restart systemd-journald
         mount -o remount,bind,ro /",
    )?;
    ensure!(guest.sh("touch /etc/file").root().output()?.code() != Some(0), "/ can be written");
    guest.init::<&str>(&[]).ok()?.says(&["cgroups delegated"])?;
    let namespace = Namespace::new(guest, "read-only")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    is_well(guest)
}

/// As on Ubuntu: only programs with a profile may make user namespaces. `preflight` prints one.
pub(crate) fn apparmor(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice; sysctl -qw kernel.apparmor_restrict_unprivileged_userns=1")?;
    ensure!(guest.sh("unshare --user true").output()?.code() != Some(0), "nothing is restricted");
    guest.init::<&str>(&[]).output()?.exits(2)?.says(&["AppArmor keeps /usr/local/bin/usernetes-rs", "userns,"])?;
    let finding = warning(&preflight(guest).output()?, "AppArmorUserns")?;
    apply_hint(guest, &finding)?;
    guest.init::<&str>(&[]).ok()?.says(&["cgroups delegated"])?;
    let namespace = Namespace::new(guest, "profiled")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let label = guest.admin("cat /proc/$(pgrep -o -x usernetes-child)/attr/apparmor/current")?;
    ensure!(label.text() == "home.alice..local.share.usernetes (unconfined)", "{label}");
    ensure!(guest.sh("unshare --user true").output()?.code() != Some(0), "others may as well");
    Ok(())
}

/// A node in a container of Podman, which is started as `preflight` says.
pub(crate) fn in_podman(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    // As from an image that has what a host needs: no registry is reachable.
    guest
        .sh("mkdir -p c/usr c/proc c/sys c/dev c/run c/tmp c/root c/opt c/srv/bundle; cp -r /etc c/etc 2> /dev/null || true
            for link in bin lib lib64 sbin; do ln -s usr/$link c/$link; done; mkdir -m 1777 -p c/var/lib c/var/tmp")
        .ok()?;
    let start = |options: &str| {
        let volumes = "-v /usr:/usr:ro -v /srv/bundle:/srv/bundle:ro";
        guest.sh(&format!("podman run -d --replace -t --name node {options} {volumes} --rootfs $PWD/c sleep infinity"))
    };
    let inside = |command: &str| guest.sh(&format!("podman exec node {command}")).limit(300);
    start("").limit(120).ok()?;
    let refused = inside("usernetes-rs preflight --nested --bundle /srv/bundle").output()?.exits(2)?;
    let options = "--privileged --pids-limit -1 --device /dev/net/tun";
    refused.says(&["OwnProc", "Seccomp", options])?;
    start(options).limit(120).ok()?;
    inside("usernetes-rs init --nested --bundle /srv/bundle").ok()?.says(&["cgroups delegated"])?;
    inside("usernetes-rs kubectl wait --for=condition=Ready nodes --all --timeout=120s").ok()?;
    inside("usernetes-rs kubectl -n kube-system rollout status deployment/coredns --timeout=180s").ok()?;
    let limited = pod("limited", "sleep 3600", "") + RESOURCES;
    guest.sh("podman exec -i node usernetes-rs kubectl apply -f -").input(limited).ok()?;
    inside("usernetes-rs kubectl wait --for=condition=Ready pod/limited --timeout=180s").ok()?;
    let limit = inside("usernetes-rs kubectl exec limited -- cat /sys/fs/cgroup/memory.max").ok()?;
    ensure!(limit.text() == "67108864", "memory.max of the pod is {limit}");
    inside("usernetes-rs reset --force").ok()?;
    guest.sh("podman rm -f -t 0 node").ok().map(drop)
}
