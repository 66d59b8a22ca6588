//! Addresses and ports of hosts as they are.

use super::NEEDS;
use anyhow::{Result, bail, ensure};
use usernetes_e2e::{Host, Machine, Output, Scenario, Testbed};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("address_with_a_label", 2, &NEEDS, address_with_a_label),
        Scenario::own("range_of_the_tap_is_taken", 1, &NEEDS, range_of_the_tap_is_taken),
    ]
}

fn preflight(host: &Host, flags: &[&str]) -> Result<Output> {
    host.tool(&[&["preflight", "--bundle", "/srv/bundle"], flags].concat()).output()
}

/// P15: ifconfig's alias. The host sends from the first address, which other hosts have to know.
fn address_with_a_label(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    worker.admin(
        "address=$(ip -o -4 address show dev eth0 | awk '{print $4}')
         ip address flush dev eth0
         ip address add 198.51.100.57/24 dev eth0
         ip address add $address dev eth0 label eth0:0
         ip link set eth0 mtu 1400
         ip route replace default via 198.51.100.1",
    )?;
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    let join = ["join", "--bundle", "/srv/bundle", "--host-ip", "198.51.100.12", "-"];
    worker.tool(&join).input(token).limit(120).ok()?.says(&["(eth0)"])?;
    let node = first.kubectl(&["get", "node", "host2", "-o", "yaml"])?;
    node.says(&["usernetes.rs/egress-addresses: 198.51.100.57"])?;
    let flannel = worker.tool(&["shell", "--", "cat", "/run/flannel/subnet.env"]).ok()?;
    flannel.says(&["FLANNEL_MTU=1350"])?;
    Ok(())
}

/// P34: Vagrant's NAT. The tap moves out of the way by itself and stays there; a range that the user names is refused.
fn range_of_the_tap_is_taken(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin(
        "ip link add eth1 type veth peer name eth1p; ip link set eth1p up
         ip address add 10.0.2.15/24 dev eth1; ip link set eth1 up
         ip route replace default via 10.0.2.2 dev eth1",
    )?;
    preflight(host, &[])?.exits(3)?.says(&["behind the NAT", "--host-ip 198.51.100.11"])?;
    preflight(host, &["--host-ip", "10.0.2.15"])?.exits(0)?;
    let config = "apiVersion: usernetes.rs/v1alpha1\nkind: RootlessConfiguration\nhostIP: 10.0.2.15\nnetwork: {cidr: 10.0.2.0/24}\n";
    let config = host.write("tap.yaml", config)?;
    preflight(host, &["--config", &config])?
        .exits(3)?
        .says(&["10.0.2.0/24 holds this host's address", "leave the field out"])?;
    host.init(&["--host-ip", "198.51.100.11"]).ok()?;
    ensure!(tap_address(host)?.contains("10.254.254.100/24"), "{}", tap_address(host)?);
    host.tool(&["stop"]).limit(120).ok()?;
    host.admin("ip link delete eth1; ip route replace default via 198.51.100.1")?;
    host.tool(&["start", "--wait"]).limit(120).ok()?;
    ensure!(tap_address(host)?.contains("10.254.254.100/24"), "it moved: {}", tap_address(host)?);
    Ok(())
}

fn tap_address(host: &Host) -> Result<String> {
    Ok(host.tool(&["shell", "--", "ip", "-o", "-4", "address", "show", "dev", "tap0"]).ok()?.text().to_owned())
}
