//! What a login gives and does not give: delegation, a service manager, lingering.

use anyhow::{Result, ensure};
use serde_json::Value;
use usernetes_e2e::{Guest, Machine, Namespace, Testbed, pod};

use crate::{apply_hint, is_well, preflight, warning, warnings};

const DELEGATION: &str = "CgroupDelegation";

fn cgroups(guest: &Guest) -> Result<String> {
    let status = guest.tool(&["status", "-o", "json"]).output()?.json()?;
    Ok(status["node"]["cgroups"].as_str().unwrap_or_default().to_owned())
}

/// Delegates no more than these controllers, and returns the warning, which must name what is missing.
fn lacking(guest: &Guest, controllers: &str, missing: &str) -> Result<Value> {
    // The empty line takes back what systemd's own file delegates.
    guest.admin(&format!(
        "mkdir -p /etc/systemd/system/user@.service.d
         printf '[Service]\\nDelegate=\\n{controllers}' > /etc/systemd/system/user@.service.d/delegate.conf
         systemctl daemon-reload; systemctl restart user@1000.service"
    ))?;
    let warning = warning(&preflight(guest).ok()?, DELEGATION)?;
    let message = warning["message"].as_str().unwrap_or_default();
    let end = format!("user@1000.service lacks the controllers {missing}");
    ensure!(message.ends_with(&end), "the warning says {message:?}");
    Ok(warning)
}

/// Such a node would say that it is Ready, and no pod would start on it.
pub(crate) fn without_cpu(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    // For its own accounting and limits systemd turns on memory and pids where they are not delegated.
    guest.admin(
        "loginctl enable-linger alice; mkdir -p /etc/systemd/system.conf.d
         printf '[Manager]\\nDefault%s\\n' MemoryAccounting=no TasksAccounting=no TasksMax=infinity \\
           > /etc/systemd/system.conf.d/none.conf",
    )?;
    apply_hint(guest, &lacking(guest, "", "cpu, memory, pids")?)?;
    let left = preflight(guest).ok()?;
    ensure!(warnings(&left)?.iter().all(|warning| warning["check"] != DELEGATION), "still warned:\n{left}");
    guest.admin("rm /etc/systemd/system.conf.d/none.conf")?;
    let warning = lacking(guest, "Delegate=memory pids\\n", "cpu")?;
    guest.init::<&str>(&["--cgroups", "delegated"]).output()?.exits(2)?.says(&["lacks the controllers cpu", "hint"])?;
    guest.init::<&str>(&[]).ok()?.says(&["cgroups none", "limits of pods are not enforced"])?;
    let namespace = Namespace::new(guest, "no-limits")?;
    namespace.pod("main", "sleep 36000")?;
    namespace.ready(&["pod/main"])?;
    // alice has the ids that useradd gives: one range, and no second one for such a pod.
    namespace.apply(&pod("mapped", "sleep 36000", "  hostUsers: false"))?;
    namespace.wait("jsonpath={.status.conditions[0].reason}=Unschedulable", &["pod/mapped"])?;
    // The printed hint works, and the node notices when it starts again with the user's services.
    apply_hint(guest, &warning)?;
    is_well(guest)?;
    ensure!(cgroups(guest)? == "delegated", "still cgroups {}", cgroups(guest)?);
    guest.until("the pod runs again", 120, |_| {
        Ok(namespace.prepare(&["exec", "main", "--", "true"]).output()?.code() == Some(0))
    })
}

/// As by `sudo -u` or cron: no login, no service manager.
pub(crate) fn without_manager(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let bare = |words: &str| {
        let user =
            "cd /home/alice; exec setpriv --reuid alice --regid alice --init-groups env -i HOME=/home/alice USER=alice";
        guest.sh(&format!("{user} PATH=$PATH usernetes-rs {words}")).root().limit(300)
    };
    guest.admin("loginctl terminate-user alice || true; while systemctl is-active -q user@1000; do sleep 0.2; done")?;
    let warning = warning(&bare("preflight --bundle /srv/bundle -o json").ok()?, "UserManager")?;
    bare("init --bundle /srv/bundle").ok()?.says(&["detached process", "cgroups none"])?;
    bare("kubectl wait --for=condition=Ready nodes --all --timeout=60s").ok()?;
    bare("reset --force").ok()?;
    apply_hint(guest, &warning)?;
    guest.until("the service manager is up", 60, |guest| {
        Ok(guest.sh("test -S /run/user/1000/systemd/private").root().output()?.code() == Some(0))
    })?;
    let cured = bare("preflight --bundle /srv/bundle -o json").ok()?;
    let names: Vec<_> = warnings(&cured)?.into_iter().map(|warning| warning["check"].clone()).collect();
    ensure!(names == ["PodSubID", "Inotify", "Keyring", "PingGroups"], "still warned of {names:?}");
    // There is no session, and yet there is a user manager to be found.
    bare("init --bundle /srv/bundle").ok()?.says(&["systemd user unit", "cgroups delegated"]).map(drop)
}

/// Logging out stops the cluster, as was warned; logging in brings it back.
pub(crate) fn without_linger(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    warning(&preflight(guest).ok()?, "Linger")?;
    guest.init::<&str>(&[]).ok()?.says(&["Linger", "the cluster stops when you log out"])?;
    guest.until("the cluster stops after the logout", 120, |guest| {
        Ok(guest.sh("test -e /run/user/1000").root().output()?.code() == Some(1))
    })?;
    ensure!(guest.admin("pgrep -u 1000 -c . || true")?.text() == "0", "processes are left");
    is_well(guest)
}

/// What only the shell knows reaches a node that systemd starts: where the unit lies, and the proxies.
pub(crate) fn own_environment(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let own = |words: &str| {
        guest.sh(&format!("export XDG_CONFIG_HOME=$HOME/conf HTTPS_PROXY=http://proxy.invalid:3128 NO_PROXY=198.51.100.0/24,10.0.0.0/8,127.0.0.0/8; {words}"))
    };
    guest.admin("loginctl enable-linger alice")?;
    own("usernetes-rs init --bundle /srv/bundle").limit(300).ok()?.says(&["systemd user unit"])?;
    let has_proxy = || {
        guest.admin(
            "tr '\\0' '\\n' < /proc/$(pgrep -o -x containerd)/environ | grep -x HTTPS_PROXY=http://proxy.invalid:3128",
        )
    };
    has_proxy()?;
    let proxies = guest.admin("stat -c %a /home/alice/.local/share/usernetes/default/proxies.json")?;
    ensure!(proxies.text() == "600", "the proxies' file is {proxies}");
    guest.reboot()?;
    guest.until("the node is healthy", 180, |_| Ok(own("usernetes-rs status").output()?.code() == Some(0)))?;
    has_proxy()?;
    own("usernetes-rs reset --force").limit(120).ok()?;
    ensure!(guest.sh("systemctl --user cat usernetes-default").output()?.code() != Some(0), "the unit is left");
    Ok(())
}
