//! Addresses and ports of hosts as they are.

use super::NEEDS;
use anyhow::{Result, bail, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Output, Scenario, Testbed};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("address_with_a_label", 2, &NEEDS, address_with_a_label),
        Scenario::own("range_of_the_tap_is_taken", 1, &NEEDS, range_of_the_tap_is_taken),
        Scenario::own("what_preflight_sees_of_a_network", 1, &NEEDS, what_preflight_sees_of_a_network),
        Scenario::own("host_without_a_network", 1, &NEEDS, host_without_a_network),
        Scenario::shared("ports_of_the_host_network", ports_of_the_host_network),
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

/// P23, P37, P53: what a node would fail with later, found before, each with a hint. `config validate` agrees.
fn what_preflight_sees_of_a_network(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("sysctl -w net.ipv4.ping_group_range='0 2147483647'")?;
    preflight(host, &[])?.exits(0)?.says_not(&["HTTPProxy", "PingGroups", "KernelModules", "HostSubnets"])?;
    host.admin("sysctl -w net.ipv4.ping_group_range='1 0'")?;
    preflight(host, &[])?.exits(0)?.says(&["PingGroups", "99-usernetes-ping.conf"])?;
    for (name, proxy) in [
        ("HTTPS_PROXY", "http://127.0.0.1:3128"),
        ("https_proxy", "http://localhost:3128"),
        ("ALL_PROXY", "socks5://[::1]:1080"),
        ("HTTP_PROXY", "http://198.51.100.11:8080"),
    ] {
        let warned = host.tool(&["preflight", "--bundle", "/srv/bundle"]).env(name, proxy).output()?;
        warned.exits(0)?.says(&[&format!("{name} names"), "is the node itself"])?;
    }
    host.admin("ip link add docker0 type bridge; ip address add 10.244.3.1/16 dev docker0; ip link set docker0 up")?;
    preflight(host, &[])?.exits(2)?.says(&["networking.podSubnet 10.244.0.0/16 overlaps", "such as 10."])?;
    host.admin("ip link delete docker0")?;
    for ranges in
        ["{podSubnet: 'fd00:1::/56'}", "{podSubnet: '10.1.0.0/16,fd00:1::/56'}", "{serviceSubnet: 'fd00:2::/112'}"]
    {
        let config = format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking: {ranges}\n");
        let config = host.write("six.yaml", &config)?;
        host.tool(&["config", "validate", "--config", &config]).output()?.exits(3)?.says(&["IPv6 clusters"])?;
        preflight(host, &["--config", &config])?.exits(3)?.says(&["IPv6 clusters"])?;
        host.init(&["--config", &config]).output()?.exits(3)?.says(&["IPv6 clusters"])?;
    }
    host.admin("ip address flush dev eth0; ip address add 2001:db8::11/64 dev eth0 nodad")?;
    preflight(host, &[])?.exits(3)?.says(&["IPv6 clusters are not supported", "--host-ip 198.18.0.1"])?;
    Ok(())
}

/// P49, P11: the hint for a host without a network works there, also with the resolver's file of systemd-resolved.
fn host_without_a_network(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("ip link set eth0 down")?;
    let hint = "ip address add 198.18.0.1/32 dev lo";
    preflight(host, &[])?.exits(3)?.says(&["no address of this host was found", hint, "--host-ip 198.18.0.1"])?;
    host.admin(hint)?;
    host.admin("mkdir -p /run/systemd/resolve; cp /etc/resolv.conf /run/systemd/resolve/")?;
    let config = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                  resolvConf: /run/systemd/resolve/resolv.conf\n---\n\
                  apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    let config = host.write("kubelet.yaml", config)?;
    let started = host.init(&["--host-ip", "198.18.0.1", "--config", &config]).limit(300).output()?;
    started.ok()?.says(&["resolvConf /run/systemd/resolve/resolv.conf is left out"])?;
    Ok(())
}

/// P14: a declared port of the host's network is published; a pod that declares none gets an Event that says so.
fn ports_of_the_host_network(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let namespace = Namespace::new(first, "hostnet")?;
    let at = |name: &str, port: u16, declared: &str| {
        let more = format!("hostNetwork: true, nodeName: {}", first.name());
        let script = format!("httpd -f -p {port} -h /etc");
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{terminationGracePeriodSeconds: 0, {more}, containers: \
             [{{name: c, image: \"docker.io/library/busybox:1.35.0\", command: [sh, -c, {script:?}]{declared}}}]}}\n"
        )
    };
    namespace.apply(&at("declared", 8089, ", ports: [{containerPort: 8089}]"))?;
    namespace.apply(&at("undeclared", 8090, ""))?;
    namespace.ready(&["pod/declared", "pod/undeclared"])?;
    first.until("the declared port answers", 20, |first| {
        Ok(testbed.ask_as("198.51.100.1", &format!("{}:8089", first.address()), "/hostname").is_ok())
    })?;
    first.until("an Event about the other", 20, |_| {
        let events = namespace.kubectl(&["get", "events"])?;
        Ok(events.text().contains("HostNetworkNotPublished") && events.text().contains("containerPort"))
    })
}
