//! Inputs that go wrong before a cluster exists: each message names the thing and its hint, nothing is left running.

use anyhow::{Result, ensure};
use std::process::ExitCode;
use std::time::Duration;
use usernetes_e2e::{Background, Host, Machine, Output, Requirement, Scenario, Testbed, main as suite};

const FAILURE: i32 = 1;
const PREFLIGHT: i32 = 2;
const VALIDATION: i32 = 3;
const USAGE: i32 = 64;

fn main() -> ExitCode {
    let scenario = |name, run| {
        Scenario::own(name, 1, &[Requirement::Hosts, Requirement::Program, Requirement::Command("init")], run)
    };
    let bundled = |name, run| {
        Scenario::own(
            name,
            1,
            &[Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")],
            run,
        )
    };
    let scenarios = vec![
        scenario("usage", usage),
        scenario("unknown_phase", unknown_phase),
        scenario("misspelt_field", misspelt_field),
        scenario("config_missing", config_missing),
        scenario("root", root),
        scenario("no_newuidmap", no_newuidmap),
        scenario("no_subordinate_ids", no_subordinate_ids),
        scenario("short_subordinate_ids", short_subordinate_ids),
        scenario("user_namespaces_off", user_namespaces_off),
        scenario("tun_not_accessible", tun_not_accessible),
        scenario("slirp4netns_missing", slirp4netns_missing),
        scenario("slirp4netns_too_old", slirp4netns_too_old),
        scenario("crun_too_old", crun_too_old),
        scenario("ports_taken", ports_taken),
        scenario("host_ip_ambiguous", host_ip_ambiguous),
        scenario("host_ip_missing", host_ip_missing),
        scenario("host_ip_not_of_this_host", host_ip_not_of_this_host),
        scenario("pods_overlap_host_route", pods_overlap_host_route),
        scenario("services_overlap_pods", services_overlap_pods),
        scenario("bundle_missing", bundle_missing),
        bundled("bundle_truncated", bundle_truncated),
        bundled("bundle_flipped_byte", bundle_flipped_byte),
        bundled("bundle_file_missing", bundle_file_missing),
        bundled("state_read_only", state_read_only),
        bundled("state_full", state_full),
    ];
    suite("inputs", scenarios, None)
}

/// `init` ends with the code and says the texts, and leaves nothing behind that runs or listens.
fn refused(host: &Host, output: Output, code: i32, texts: &[&str]) -> Result<()> {
    output.exits(code)?.says(texts)?;
    host.silent()?;
    let sockets = host.sh("find \"$XDG_RUNTIME_DIR\" ~ -type s").ok()?;
    ensure!(sockets.text().is_empty(), "sockets are left:\n{sockets}");
    ensure!(!host.mounts()?.contains("usernetes/"), "mounts are left:\n{}", host.mounts()?);
    Ok(())
}

fn usage(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    refused(host, host.tool(&["init", "--no-such-flag"]).output()?, USAGE, &["--no-such-flag", "--help"])?;
    refused(host, host.tool(&["frobnicate"]).output()?, USAGE, &["frobnicate", "--help"])?;
    refused(host, host.tool(&["--cluster", "Not/AName", "init"]).output()?, USAGE, &["Not/AName", "a-z"])?;
    refused(host, host.tool(&["init", "--pod-network-cidr", "10.0.0.0/99"]).output()?, VALIDATION, &["10.0.0.0/99"])?;
    host.tool(&["--help"]).ok()?.says(&["init", "join", "reset"])?;
    host.tool(&["version"]).ok()?.says(&["usernetes-rs"])?;
    host.tool(&["version", "-o", "json"]).ok()?.json()?;
    refused(host, host.tool(&["join", "-"]).input("\n").output()?, FAILURE, &["standard input", "token create"])?;
    let refuses = |arguments: &[&str], code, says: &[&str]| {
        refused(host, host.tool(&[&["join"], arguments].concat()).output()?, code, says)
    };
    refuses(&["u7s1.AG8BUVOE", "--token", "abcdef.0123456789abcdef"], USAGE, &["--token", "HOST:PORT"])?;
    refuses(&["u7s1.AG8BUVOE", "--discovery-token-ca-cert-hash", "sha256:0"], USAGE, &["ca-cert-hash", "HOST:PORT"])?;
    refuses(&["--discovery-file", "f", "--discovery-token-ca-cert-hash", "sha256:0"], USAGE, &["--discovery-file"])?;
    // A host that is called like a token.
    refuses(&["u7sbox:6443", "--token", "abcdef.0123456789abcdef"], USAGE, &["ca-cert-hash"])?;
    for shell in ["bash", "zsh", "fish"] {
        host.tool(&["completion", shell]).ok()?.says(&["usernetes-rs"])?;
    }
    Ok(())
}

fn unknown_phase(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init(&["--skip-phases", "addon/flanel"]).output()?;
    refused(host, output, USAGE, &["addon/flanel", "addon/flannel"])?;
    refused(host, host.tool(&["init", "phase", "no-such-phase"]).output()?, USAGE, &["no-such-phase"])
}

fn misspelt_field(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let config = "apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  podSubnet: 10.244.0.0/16
  serviceSubnt: 10.96.0.0/12
";
    let path = host.write("config.yaml", config)?;
    let output = host.init(&["--config", &path]).output()?;
    refused(host, output, VALIDATION, &["config.yaml:5", "serviceSubnt", "serviceSubnet"])
}

fn config_missing(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init(&["--config", "/nowhere/config.yaml"]).output()?;
    refused(host, output, VALIDATION, &["/nowhere/config.yaml", "no such file", "config print"])
}

fn root(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    refused(host, host.init::<&str>(&[]).root().output()?, FAILURE, &["root", "--allow-root", "ordinary user"])
}

/// A PATH with every program of the host but one.
fn path_without(host: &Host, program: &str) -> Result<String> {
    let script =
        format!("mkdir ~/bin; ln -s /usr/bin/* /usr/sbin/* ~/bin 2>/dev/null || true; rm ~/bin/{program}; echo ~/bin");
    Ok(host.sh(&script).ok()?.text().to_owned())
}

/// The product by its full name, because PATH is another.
fn init_with_path(host: &Host, path: &str) -> Result<Output> {
    host.run(&["/usr/local/bin/usernetes-rs", "init", "--bundle", "/srv/bundle"]).env("PATH", path).output()
}

fn no_newuidmap(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = init_with_path(host, &path_without(host, "newuidmap")?)?;
    refused(host, output, PREFLIGHT, &["newuidmap", "install uidmap"])
}

fn no_subordinate_ids(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin(": > /etc/subuid; : > /etc/subgid")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["/etc/subuid", "alice", "usermod --add-subuids"])
}

fn short_subordinate_ids(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("sed -i 's/:[0-9]*$/:1000/; 2d' /etc/subuid /etc/subgid")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["alice", "1000", "65536", "usermod --add-subuids"])
}

/// The limit belongs to a user namespace; inside one of its own, the machine's is not touched.
fn user_namespaces_off(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let id = host.uid();
    host.admin("echo root:0:4294967294 | tee -a /etc/subuid >> /etc/subgid")?;
    let all = "--map-users=0,0,4294967294 --map-groups=0,0,4294967294";
    let drop = format!("setpriv --reuid {id} --regid {id} --init-groups --inh-caps=-all --bounding-set=+all");
    let script = format!(
        "exec unshare --user {all} --setuid 0 --setgid 0 sh -euc '
           echo 0 > /proc/sys/user/max_user_namespaces
           exec {drop} -- env HOME=/home/alice USER=alice usernetes-rs init --bundle /srv/bundle'"
    );
    let output = host.sh(&script).root().output()?;
    refused(host, output, PREFLIGHT, &["user namespace", "user.max_user_namespaces"])
}

fn tun_not_accessible(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("chmod 600 /dev/net/tun")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["/dev/net/tun", "chmod"])?;
    host.admin("rm /dev/net/tun")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["/dev/net/tun", "modprobe tun"])
}

fn slirp4netns_missing(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = init_with_path(host, &path_without(host, "slirp4netns")?)?;
    refused(host, output, PREFLIGHT, &["slirp4netns", "install slirp4netns"])
}

fn slirp4netns_too_old(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let path = host.write("old/slirp4netns", "#!/bin/sh\necho slirp4netns version 0.3.2\n")?;
    host.run(&["chmod", "700", &path]).ok()?;
    let output = init_with_path(host, "/home/alice/old:/usr/bin:/bin:/usr/sbin:/sbin")?;
    refused(host, output, PREFLIGHT, &["slirp4netns 0.3.2", "too old", "install"])
}

fn crun_too_old(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let path = host.write("old/crun", "#!/bin/sh\necho crun version 1.8.1\n")?;
    host.run(&["chmod", "700", &path]).ok()?;
    let init = ["/usr/local/bin/usernetes-rs", "init", "--bundle", "/srv/bundle", "--oci-runtime", "crun"];
    let output = host.run(&init).env("PATH", "/home/alice/old:/usr/bin:/bin:/usr/sbin:/sbin").output()?;
    refused(host, output, PREFLIGHT, &["crun 1.8.1", "too old", "install", "--oci-runtime runc"])
}

/// A process of the user that has a port, so that its name can be known.
fn occupant(host: &Host, protocol: &str, port: u16) -> Result<Background> {
    let listen = if protocol == "tcp" { "Listen => 1," } else { "" };
    let address = host.address();
    let script = format!(
        "my $s = IO::Socket::INET->new(Proto => '{protocol}', {listen} LocalAddr => '{address}:{port}') or die $!;
         $| = 1; print \"here\\n\"; sleep 1000;"
    );
    let process = host.run(&["perl", "-MIO::Socket::INET", "-e", &script]).spawn()?;
    process.line(Duration::from_secs(5), |line| line == "here")?;
    Ok(process)
}

fn ports_taken(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let flags =
        [("tcp", 6443, "--apiserver-bind-port"), ("tcp", 10250, "--kubelet-port"), ("udp", 8472, "--vxlan-port")];
    for (protocol, port, flag) in flags {
        let process = occupant(host, protocol, port)?;
        let output = host.init::<&str>(&[]).output()?;
        drop(process);
        refused(host, output, PREFLIGHT, &[&port.to_string(), "perl", flag])?;
    }
    Ok(())
}

fn host_ip_ambiguous(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin(
        "ip link add eth1 type veth peer name far
         ip addr add 192.0.2.11/24 dev eth1
         ip link set eth1 up; ip link set far up
         ip route append default via 192.0.2.1 dev eth1",
    )?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, VALIDATION, &["198.51.100.11", "192.0.2.11", "--host-ip"])
}

fn host_ip_missing(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("ip addr flush dev eth0")?;
    refused(host, host.init::<&str>(&[]).output()?, VALIDATION, &["address", "--host-ip"])
}

fn host_ip_not_of_this_host(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init(&["--host-ip", "198.51.100.99"]).output()?;
    let told = output.stderr.matches("198.51.100.99 is not an address").count();
    ensure!(told == 1, "told {told} times:\n{output}");
    refused(host, output, PREFLIGHT, &["HostIP", "198.51.100.99", "--host-ip", "198.51.100.11 (eth0)"])
}

fn pods_overlap_host_route(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init(&["--pod-network-cidr", "198.51.0.0/16"]).output()?;
    refused(host, output, VALIDATION, &["198.51.0.0/16", "198.51.100.11"])?;
    host.admin("ip route add 10.50.0.0/16 via 198.51.100.1")?;
    let output = host.init(&["--pod-network-cidr", "10.50.128.0/17"]).output()?;
    refused(host, output, PREFLIGHT, &["10.50.128.0/17", "10.50.0.0/16", "podSubnet"])
}

fn services_overlap_pods(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init(&["--service-cidr", "10.244.128.0/20"]).output()?;
    refused(host, output, VALIDATION, &["10.244.128.0/20", "10.244.0.0/16", "overlap"])
}

fn bundle_missing(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.tool(&["init", "--bundle", "/nowhere/bundle"]).output()?;
    refused(host, output, PREFLIGHT, &["/nowhere/bundle", "--bundle"])?;
    // The flag is not remembered: the hint, an imported bundle, is one for an `init` without it.
    let again = host.tool(&["init"]).output()?.exits(PREFLIGHT)?;
    ensure!(!again.to_string().contains("/nowhere/bundle"), "{again}");
    Ok(())
}

/// A writable view of the bundle, changed by the script in its directory.
fn broken_bundle(host: &Host, script: &str) -> Result<Output> {
    host.admin(&format!(
        "mkdir /srv/broken /srv/change
         mount -t tmpfs tmpfs /srv/change
         mkdir /srv/change/upper /srv/change/work
         mount -t overlay -o lowerdir=/srv/bundle,upperdir=/srv/change/upper,workdir=/srv/change/work overlay /srv/broken
         cd /srv/broken
         {script}"
    ))?;
    host.tool(&["bundle", "verify", "/srv/broken"]).output()?.exits(FAILURE)?;
    host.tool(&["init", "--bundle", "/srv/broken"]).output()
}

fn bundle_truncated(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = broken_bundle(host, "truncate -s -1 cni/loopback")?;
    refused(host, output, FAILURE, &["cni/loopback", "/srv/broken", "truncated"])
}

fn bundle_flipped_byte(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let flip = "byte=$(od -An -tu1 -j4096 -N1 cni/loopback); set -- $byte
        printf \"\\\\$(printf %o $(($1 ^ 1)))\" | dd of=cni/loopback bs=1 seek=4096 conv=notrunc status=none";
    let output = broken_bundle(host, flip)?;
    refused(host, output, FAILURE, &["cni/loopback", "/srv/broken", "sha256"])
}

fn bundle_file_missing(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = broken_bundle(host, "rm cni/loopback")?;
    refused(host, output, FAILURE, &["cni/loopback", "/srv/broken"])
}

fn state_mount(host: &Host, options: &str) -> Result<()> {
    let id = host.uid();
    host.sh("mkdir -p ~/.local/share").ok()?;
    host.admin(&format!("mount -t tmpfs -o {options},mode=700,uid={id},gid={id} tmpfs /home/alice/.local/share"))?;
    Ok(())
}

fn state_read_only(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    state_mount(host, "ro")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["/home/alice/.local/share", "read-only", "hint:", "XDG_DATA_HOME"])
}

fn state_full(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    state_mount(host, "size=4m")?;
    let output = host.init::<&str>(&[]).output()?;
    refused(host, output, PREFLIGHT, &["/home/alice/.local/share", "free"])?;
    // With the check ignored, the failing step reports the problem.
    let output = host.init(&["--ignore-preflight-errors", "all"]).output()?;
    refused(host, output, FAILURE, &["no space left"])
}
