//! Trouble at the wrong moment.

use anyhow::{Result, ensure};
use std::time::Duration;
use usernetes_e2e::{Guest, Machine, Namespace, Testbed};

use crate::boot::up_by_itself;
use crate::is_well;
use crate::two::first_is_up;

/// The power fails while `init` works; the same command finishes what it began.
pub(crate) fn init_cut(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    let init = guest.init::<&str>(&[]).spawn()?;
    init.line(Duration::from_mins(2), |line| line.contains("[node-start]"))?;
    guest.power_cut()?;
    drop(init);
    guest.power_on()?;
    guest.init::<&str>(&[]).ok()?;
    is_well(guest)
}

/// The power fails when `init` has just returned, and the kernel has not written back what was made. Nothing is repaired by hand.
pub(crate) fn cut_after_init(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    guest.init::<&str>(&[]).ok()?;
    guest.power_cut()?;
    guest.power_on()?;
    up_by_itself(guest)?;
    is_well(guest)?;
    // New containers: of the images as they are on the disk now.
    guest.kubectl(&["-n", "kube-system", "rollout", "restart", "deployment/coredns"])?;
    guest.kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s"])?;
    let namespace = Namespace::new(guest, "after")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    namespace.sh("main", "nslookup kubernetes.default.svc.cluster.local").map(drop)
}

/// etcd, and everything else that writes, outlives a full disk.
pub(crate) fn disk_full(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    guest.init::<&str>(&[]).ok()?;
    let namespace = Namespace::new(guest, "before")?;
    namespace.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"])?;
    guest.sh("head -c 900000 /dev/zero | tr '\\0' x > much").ok()?;
    // Blocks are taken without being written, also those that only root may have.
    guest
        .admin("fallocate -l $(($(stat -f -c '%f*%S' /) - 65536)) /filler || true; dd if=/dev/zero of=/rest || true")?;
    // etcd has some of the disk in advance: 64 MB of its log.
    let fill = "for n in $(seq 150); do usernetes-rs kubectl -n before create configmap lost-$n --from-file=much || exit 9; done";
    guest.sh(fill).limit(300).output()?.exits(9)?;
    guest.admin("rm -f /filler /rest")?;
    is_well(guest)?;
    ensure!(namespace.field("configmap/kept", ".data.key")? == "value", "the ConfigMap is lost");
    namespace.pod("main", "sleep 3600")?;
    guest.until("status tells why the pod waits", 60, |guest| {
        Ok(guest.tool(&["status"]).output()?.to_string().contains("DiskPressure: no new pods"))
    })?;
    // The kubelet lets the pressure last for five minutes (evictionPressureTransitionPeriod).
    namespace.prepare(&["wait", "--for=condition=Ready", "pod/main", "--timeout=420s"]).limit(450).ok().map(drop)
}

/// At boot the network may be later than the user's services.
pub(crate) fn late_address(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    guest.init::<&str>(&[]).ok()?;
    // By a service of the system: the login goes with the address.
    guest.admin(
        "systemd-run --unit late sh -euxc '
           networkctl down vec0; ip addr flush dev vec0; systemctl restart user@1000; sleep 20
           networkctl up vec0; networkctl reconfigure vec0'",
    )?;
    guest.until("the address is back", 120, |guest| {
        // Ended, or forgotten since.
        Ok(matches!(guest.sh("systemctl is-active --quiet late").root().output()?.code(), Some(3 | 4)))
    })?;
    is_well(guest)?;
    let journal = guest.admin("journalctl -b --no-pager -u user@1000")?;
    ensure!(!journal.text().contains("usernetes-default.service: Failed"), "the unit failed:\n{journal}");
    Ok(())
}

/// The power fails on the joining host while `join` works; the same command finishes what it began.
pub(crate) fn join_cut(testbed: &Testbed) -> Result<()> {
    let (first, second, token) = first_is_up(testbed)?;
    let words = ["join", &token, "--bundle", "/srv/bundle"];
    let join = second.tool(&words).spawn()?;
    join.line(Duration::from_mins(2), |line| line.contains("[kubelet-start]"))?;
    second.power_cut()?;
    drop(join);
    second.power_on()?;
    second.tool(&words).ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s"]).map(drop)
}

/// A clock that jumps by days, as at the first contact with a time server, and back.
pub(crate) fn clock_jump(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    guest.init::<&str>(&[]).ok()?;
    let namespace = Namespace::new(guest, "clock")?;
    for (n, jump) in ["+ 3 days", "- 3 days"].iter().enumerate() {
        guest.admin(&format!("date -s \"$(date) {jump}\""))?;
        is_well(guest)?;
        let name = format!("main-{n}");
        namespace.pod(&name, "sleep 3600")?;
        namespace.ready(&[&format!("pod/{name}")])?;
    }
    before_the_certificates(guest)?;
    namespace.pod("after", "sleep 3600")?;
    namespace.ready(&["pod/after"])
}

/// As on a board without a battery: booted long before the certificates' time, until a time server is heard.
fn before_the_certificates(guest: &Guest) -> Result<()> {
    guest.admin("date -s \"$(date) - 3 days\"")?;
    guest.init::<&str>(&[]).output()?.exits(1)?.says(&["ca.crt is not valid before", "correct this host's clock"])?;
    guest.sh("usernetes-rs stop; systemctl --user start --no-block usernetes-default.service").limit(150).ok()?;
    guest.until("kube-apiserver fails without its certificates", 180, |guest| {
        let status = guest.tool(&["status", "-o", "json"]).output()?.json()?;
        let components = status["components"]["components"].as_array().cloned().unwrap_or_default();
        Ok(components.iter().any(|c| c["name"] == "kube-apiserver" && c["restarts"].as_u64() > Some(0)))
    })?;
    guest.admin("date -s \"$(date) + 3 days\"")?;
    is_well(guest)
}
