//! Accounts and subordinate ids as hosts have them.

use super::NEEDS;
use anyhow::Result;
use usernetes_e2e::{Host, Machine, Output, Scenario, Testbed};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::own("subordinate_ids", 1, &NEEDS, subordinate_ids)]
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
    // None at all: a range that is nobody's.
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
    // By nobody.
    host.admin("cp /srv/ldap/getent /srv/ldap/id")?;
    let output = preflight_of_bob(host, "PATH=/srv/ldap:$PATH", 100_500)?;
    output.exits(2)?.says(&["name of uid 100500", "/etc/passwd"]).map(drop)
}
