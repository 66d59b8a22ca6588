//! Resolvers, hosts files and names of hosts.

use super::NEEDS;
use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, OUTSIDE, OUTSIDE_NAME, Scenario, Testbed};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("names_of_the_host", 2, &NEEDS, names_of_the_host),
        Scenario::own("resolver_is_checked", 1, &NEEDS, resolver_is_checked),
        Scenario::own("names_of_nodes", 1, &NEEDS, names_of_nodes),
    ]
}

/// What the host resolves, the node and its pods resolve: by a link to another place, with names of `/etc/hosts` only, one of
/// which is the endpoint's. Both files change later.
fn names_of_the_host(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    for host in [first, worker] {
        host.admin(&format!(
            "mount -t tmpfs t /mnt; mkdir /mnt/wsl; mv /etc/resolv.conf /mnt/wsl/; ln -s /mnt/wsl/resolv.conf /etc/
             echo search lab.example >> /mnt/wsl/resolv.conf
             echo '{} cp.lab' >> /etc/hosts; echo '192.0.2.9 nas.lab' >> /etc/hosts; echo 127.0.1.1 $(hostname).lab >> /etc/hosts",
            first.address()
        ))?;
    }
    first.init(&["--control-plane-endpoint", "cp.lab:6443"]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    worker.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token).ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    let namespace = Namespace::new(first, "names")?;
    for host in [first, worker] {
        resolves_inside(host, OUTSIDE_NAME, OUTSIDE)?;
        resolves_inside(host, "cp.lab", &first.address())?;
        host.tool(&["shell", "--", "grep", "-x", "search lab.example", "/etc/resolv.conf"]).ok()?;
        let name = host.name();
        namespace.apply(&usernetes_e2e::pod(&name, "sleep 100000", &format!("  nodeName: {name}")))?;
    }
    namespace.ready(&["pod/host1", "pod/host2"])?;
    for pod in ["host1", "host2"] {
        let lookups = format!("nslookup nas.lab && nslookup host1.lab && nslookup {OUTSIDE_NAME}");
        let answers = namespace.sh(pod, &lookups)?;
        for address in ["192.0.2.9", OUTSIDE, &first.address()] {
            ensure!(answers.contains(address), "{pod}: {answers}");
        }
    }
    // A dead resolver first, and another name.
    first
        .admin("sed -i '1i nameserver 127.0.0.53' /mnt/wsl/resolv.conf; sed -i 's/192.0.2.9/192.0.2.10/' /etc/hosts")?;
    resolves_inside(first, OUTSIDE_NAME, OUTSIDE)?;
    resolves_inside(first, "nas.lab", "192.0.2.10")
}

fn resolves_inside(host: &Host, name: &str, address: &str) -> Result<()> {
    host.tool(&["shell", "--", "getent", "ahostsv4", name]).ok()?.says(&[address]).map(drop)
}

fn resolver_is_checked(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("mv /etc/resolv.conf /etc/kept; ln -s /run/none/resolv.conf /etc/resolv.conf")?;
    let preflight = || host.tool(&["preflight", "--bundle", "/srv/bundle"]).ok();
    preflight()?.says(&["Resolver", "/etc/resolv.conf is a link to /run/none/resolv.conf"])?;
    host.admin("rm /etc/resolv.conf; : > /etc/resolv.conf")?;
    preflight()?.says(&["Resolver", "names no server"])?;
    host.admin("echo nameserver ::1 > /etc/resolv.conf")?;
    preflight()?.says_not(&["Resolver"])?;
    Ok(())
}

/// A name that would do is offered.
fn names_of_nodes(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for (given, offered) in [("Host-A", "such as host-a"), ("my_host.", "such as my-host"), ("localhost", "node-1")] {
        let output = host.tool(&["preflight", "--bundle", "/srv/bundle", "--node-name", given]).output()?;
        output.exits(3)?.says(&[given, offered])?;
    }
    for name in ["localhost", "localhost.localdomain", "my_host"] {
        host.admin(&format!("echo -n {name} > /proc/sys/kernel/hostname"))?;
        for command in ["preflight", "init"] {
            host.tool(&[command, "--bundle", "/srv/bundle"]).output()?.exits(3)?.says(&[name, "--node-name"])?;
        }
    }
    host.admin("hostname Host-A")?;
    host.tool(&["preflight", "--bundle", "/srv/bundle"]).ok()?;
    Ok(())
}
