//! Accounts and subordinate ids as hosts have them.

use super::NEEDS;
use anyhow::Result;
use usernetes_e2e::{Host, Machine, Namespace, Output, Scenario, Testbed, pod};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("subordinate_ids", 1, &NEEDS, subordinate_ids),
        Scenario::own("homes", 1, &NEEDS, homes),
        Scenario::shared("ids_of_pods", ids_of_pods),
        Scenario::own("changed_range", 1, &NEEDS, changed_range),
    ]
}

/// An account bob with the uid 100500 and a home, who runs preflight.
fn add_bob(host: &Host) -> Result<()> {
    host.admin(
        "echo bob:x:100500:100500::/home/bob:/bin/bash >> /etc/passwd; echo bob:x:100500: >> /etc/group
         install -d -m 700 -o 100500 -g 100500 /home/bob",
    )?;
    Ok(())
}

fn preflight_of_bob(host: &Host, environment: &str, group: u32) -> Result<Output> {
    let command = "setpriv --reuid 100500 --regid";
    let script = format!(
        "exec {command} {group} --clear-groups env -i HOME=/home/bob USER=bob PATH=$PATH {environment} usernetes-rs preflight --bundle /srv/bundle"
    );
    host.sh(&script).root().output()
}

/// Ranges in `/etc/subuid` and `/etc/subgid`.
fn subids(host: &Host, lines: &str) -> Result<()> {
    host.admin(&format!("printf '{lines}' | tee /etc/subuid > /etc/subgid")).map(drop)
}

/// What an administrator has written there, and what preflight proposes.
fn subordinate_ids(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    add_bob(host)?;
    // The own uid is in the range, with and without another one.
    for (lines, named) in [
        ("bob:100000:65536\\n", "bob:100000:65536"),
        ("# by hand\\n\\nbob:100500:1\\n100500:200000:65536\\n", "bob:100500:1"),
    ] {
        subids(host, lines)?;
        preflight_of_bob(host, "", 100_500)?.exits(0)?.says(&["SubID", named, "100500", "left out"])?;
    }
    subids(host, "bob:200000:65536\\r\\n")?;
    preflight_of_bob(host, "", 100_500)?.exits(2)?.says(&["carriage return", "sed -i"])?;
    // Of others, too.
    subids(host, "alice:150000:65536\\nbob:200000:65536\\n")?;
    preflight_of_bob(host, "", 100_500)?.exits(0)?.says(&["alice:150000:65536", "overlap"])?;
    // The group of newgrp or sg.
    subids(host, "bob:300000:65536\\n")?;
    host.admin("echo lab:x:4711:bob >> /etc/group")?;
    preflight_of_bob(host, "", 4711)?.exits(2)?.says(&["lab (4711)", "bob (100500)", "newgrp"])?;
    // None at all: a range that no account has.
    subids(host, "")?;
    host.admin("echo carol:x:530000:530000::/:/bin/sh >> /etc/passwd; echo labs:x:600000: >> /etc/group")?;
    preflight_of_bob(host, "", 100_500)?.exits(2)?.says(&["usermod --add-subuids 530001-595536", "bob"])?;
    // Known to a directory service only.
    host.admin("sed -i /^bob:/d /etc/passwd")?;
    host.admin(
        "mkdir /srv/ldap; printf '#!/bin/sh\\necho bob:x:100500:100500::/home/bob:/bin/bash\\n' > /srv/ldap/getent
         printf '#!/bin/sh\\necho bob\\n' > /srv/ldap/id; chmod 755 /srv/ldap /srv/ldap/*",
    )?;
    let line = "bob:530001:65536 | sudo tee -a /etc/subuid /etc/subgid";
    preflight_of_bob(host, "PATH=/srv/ldap:$PATH", 100_500)?.exits(2)?.says(&[line])?.says_not(&["usermod"])?;
    // By id alone.
    host.admin("printf '#!/bin/sh\\nexit 2\\n' > /srv/ldap/getent")?;
    preflight_of_bob(host, "PATH=/srv/ldap:$PATH", 100_500)?.exits(2)?.says(&[line])?.says_not(&["usermod"])?;
    // By no program.
    host.admin("cp /srv/ldap/getent /srv/ldap/id")?;
    let output = preflight_of_bob(host, "PATH=/srv/ldap:$PATH", 100_500)?;
    output.exits(2)?.says(&["name of uid 100500", "/etc/passwd"]).map(drop)
}

/// No home, and the home of another user: named first, beside every other finding.
fn homes(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for command in ["preflight", "init"] {
        for (home, problem) in [
            ("/nonexistent", "home /nonexistent does not exist"),
            ("/root", "home /root belongs to root, not to alice"),
            ("/", "home / belongs to root, not to alice"),
        ] {
            let output = host.sh(&format!("HOME={home} exec usernetes-rs {command} --bundle /srv/bundle")).output()?;
            output
                .exits(2)?
                .says(&["Home", problem, "su - alice", "HOME=/home/alice", "Inotify"])?
                .says_not(&["chown"])?;
        }
    }
    // Without a home of its own there is nothing else to name.
    host.admin("sed -i 's|:/home/alice:|:/nonexistent:|' /etc/passwd")?;
    let output = host.sh("unset HOME; exec usernetes-rs preflight --bundle /srv/bundle").output()?;
    output.exits(2)?.says(&["home /nonexistent does not exist", "set HOME or XDG_DATA_HOME"])?;
    // Nothing is needed of a home where the directories are elsewhere.
    let elsewhere = "mkdir /tmp/a; HOME=/nonexistent XDG_DATA_HOME=/tmp/a XDG_CACHE_HOME=/tmp/a XDG_CONFIG_HOME=/tmp/a";
    host.sh(&format!("{elsewhere} exec usernetes-rs preflight --bundle /srv/bundle")).output()?.says_not(&["Home:"])?;
    Ok(())
}

/// The administrator changes the range of a user whose node is stopped.
fn changed_range(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.init::<&str>(&[]).ok()?;
    let namespace = Namespace::new(host, "ids")?;
    let own = "mkdir -p /x/d; echo 1 > /x/d/g; chown -R 1000 /x/d; chmod 700 /x/d; sleep 100000";
    let pod = pod("owner", own, "  volumes: [{name: x, emptyDir: {}}]");
    namespace.apply(
        &pod.replace("    imagePullPolicy", "    volumeMounts: [{name: x, mountPath: /x}]\n    imagePullPolicy"),
    )?;
    namespace.ready(&["pod/owner"])?;
    host.tool(&["stop"]).ok()?;
    host.admin("cp /etc/subuid /srv/kept")?;
    let old = host.admin("head -1 /etc/subuid | cut -d: -f1,2")?.text().to_owned();
    subids(host, "alice:1900000000:8000000\\n")?;
    for command in ["start", "preflight", "init"] {
        host.tool(&[command]).output()?.exits(2)?.says(&[
            &old["alice:".len()..],
            "1900000000:8000000",
            &old,
            "reset",
        ])?;
    }
    let output = host.tool(&["reset", "--force"]).output()?;
    output.exits(1)?.says(&[&old, "sudo rm -rf /home/alice/.local/share/usernetes/default", "data"])?;
    host.admin("cp /srv/kept /etc/subuid; cp /srv/kept /etc/subgid")?;
    host.tool(&["reset", "--force"]).ok()?;
    host.admin("test ! -e /home/alice/.local/share/usernetes/default").map(drop)
}

/// Ids that the node does not have: an Event names the id and the range.
fn ids_of_pods(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "ids-of-pods")?;
    for field in ["runAsUser", "fsGroup"] {
        let name = field.to_lowercase();
        let more = format!("  nodeName: host2\n  securityContext: {{{field}: 1000660000}}");
        namespace.apply(&pod(&name, "sleep 100000", &more))?;
        let events = ["get", "events", "--field-selector", &format!("involvedObject.name={name},reason=IdNotOnNode")];
        host.until("an Event names the range", 20, |_| {
            let text = namespace.kubectl(&events)?.text().to_owned();
            Ok(text.contains(&format!("{field} 1000660000")) && text.contains("0 to 7274496"))
        })?;
    }
    Ok(())
}
