//! What every network driver has to do: one suite, run for each driver.

use crate::harness::{Node, alive, assert_same, assert_that, eventually, eventually_within};
use crate::host::{CLIENTS, NAME, PEER_PORT};
use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;
use usernetes_api::NetworkDriver;
use usernetes_rootless::enter_command;

/// A test of one driver.
pub(crate) type DriverTest = fn(NetworkDriver) -> Result<(), Failed>;

pub(crate) const TESTS: &[(&str, DriverTest)] = &[
    ("interface_has_address_and_mtu", interface_has_address_and_mtu),
    ("info_names_the_driver", info_names_the_driver),
    ("tap_survives_a_restart", tap_survives_a_restart),
    ("a_process_that_hangs_is_replaced", a_process_that_hangs_is_replaced),
    ("range_and_mtu_at_the_limits", range_and_mtu_at_the_limits),
    ("process_ends_with_the_parent", process_ends_with_the_parent),
];

/// These need a second host.
pub(crate) const WITH_PEER: &[(&str, DriverTest)] = &[
    ("names_are_resolved", names_are_resolved),
    ("peer_is_reached", peer_is_reached),
    ("peer_is_reached_after_a_restart", peer_is_reached_after_a_restart),
    ("peer_is_reached_at_the_limits", peer_is_reached_at_the_limits),
    ("address_of_the_host_is_reached", address_of_the_host_is_reached),
    ("loopback_of_the_host_is_not_reached", loopback_of_the_host_is_not_reached),
];

fn start(driver: NetworkDriver) -> Result<Node, Failed> {
    Node::start_with(|spec, _| spec.network.driver = driver)
}

/// A node with the smallest range of the driver and this MTU.
fn start_at_the_limits(driver: NetworkDriver, mtu: u32) -> Result<Node, Failed> {
    let range = format!("10.9.8.0/{}", driver.limits().max_prefix).parse()?;
    Node::start_with(|spec, _| {
        spec.network.driver = driver;
        spec.network.cidr = Some(range);
        spec.network.mtu = mtu;
    })
}

fn interface_has_address_and_mtu(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let lo = node.sh("ip -o -4 address show dev lo")?;
    assert_that(lo.contains("198.51.100.11/32"), &lo)?;
    let address = node.client()?.info()?.tap_address;
    let tap = node.sh("ip -o address show dev tap0; ip -o link show dev tap0")?;
    assert_that(tap.contains(&format!("{address}/24")), &tap)?;
    assert_that(tap.contains("mtu 65520") && tap.contains("LOWER_UP"), &tap)?;
    let route = node.sh("ip -4 route show default")?;
    assert_that(route.starts_with("default via 10.0.2.") && route.contains("dev tap0"), &route)
}

fn info_names_the_driver(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let network = node.client()?.info()?.network;
    assert_same(network.driver.to_string().as_str(), driver.name())?;
    let process = std::fs::read_to_string(format!("/proc/{}/comm", network.pid))?;
    assert_that(process.trim().starts_with(driver.name()), &process)
}

fn tap_survives_a_restart(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let index = node.sh("cat /sys/class/net/tap0/ifindex")?;
    // A link bound to the tap is removed with the tap.
    node.sh("ip link add vx type vxlan id 1 dev tap0 dstport 8472")?;
    kill_driver(&node)?;
    assert_same(node.sh("cat /sys/class/net/tap0/ifindex")?, index)?;
    node.sh("ip link show vx").map(drop)
}

/// Kills the driver's process and waits until another carries the tap.
fn kill_driver(node: &Node) -> Result<(), Failed> {
    let before = node.client()?.info()?.network;
    kill(Pid::from_raw(before.pid.cast_signed()), Signal::SIGKILL)?;
    eventually("the driver is restarted", || is_restarted(node))?;
    assert_that(!alive(before.pid.cast_signed()), "the old process is gone")?;
    eventually("the tap has a carrier", || node.sh("cat /sys/class/net/tap0/carrier").is_ok_and(|c| c == "1"))
}

fn is_restarted(node: &Node) -> bool {
    let info = node.client().ok().and_then(|mut client| client.info().ok());
    info.is_some_and(|info| info.network.restarts == 1 && info.network.pid != 0)
}

fn range_and_mtu_at_the_limits(driver: NetworkDriver) -> Result<(), Failed> {
    let limits = driver.limits();
    for mtu in [limits.min_mtu, limits.max_mtu] {
        let node = start_at_the_limits(driver, mtu)?;
        let address = node.client()?.info()?.tap_address;
        let tap = node.sh("ip -o -4 address show dev tap0; ip -o link show dev tap0")?;
        assert_that(tap.contains(&format!("{address}/{}", limits.max_prefix)), &tap)?;
        assert_that(tap.contains(&format!("mtu {mtu} ")) && tap.contains("LOWER_UP"), &tap)?;
    }
    Ok(())
}

fn process_ends_with_the_parent(driver: NetworkDriver) -> Result<(), Failed> {
    let mut node = start(driver)?;
    let pid = node.client()?.info()?.network.pid.cast_signed();
    node.parent.kill()?;
    node.parent.wait()?;
    eventually("the driver's process is gone", || !alive(pid))
}

/// By the resolver of the node, which forwards to the host's.
fn names_are_resolved(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let peer = std::env::var(crate::host::PEER)?;
    let answer = node.sh(&format!("getent ahostsv4 {NAME}"))?;
    assert_that(answer.starts_with(&peer), &answer)?;
    kill_driver(&node)?;
    assert_that(node.sh(&format!("getent ahostsv4 {NAME}"))?.starts_with(&peer), "after a restart")
}

fn peer_is_reached(driver: NetworkDriver) -> Result<(), Failed> {
    reach_peer(&start(driver)?)
}

fn peer_is_reached_after_a_restart(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    reach_peer(&node)?;
    kill_driver(&node)?;
    reach_peer(&node)
}

fn peer_is_reached_at_the_limits(driver: NetworkDriver) -> Result<(), Failed> {
    let limits = driver.limits();
    for mtu in [limits.min_mtu, limits.max_mtu] {
        let node = start_at_the_limits(driver, mtu)?;
        reach_peer(&node)?;
        // Longer than one packet at any MTU.
        let script = format!(
            "exec 3<>/dev/tcp/{}/{PEER_PORT}; (head -c 200000 /dev/zero >&3 &); timeout 10 head -c 200000 <&3 | wc -c",
            std::env::var(crate::host::PEER)?
        );
        assert_same(run_bash(&node, &script)?.as_str(), "200000")?;
    }
    Ok(())
}

/// By TCP and UDP.
fn reach_peer(node: &Node) -> Result<(), Failed> {
    let peer = std::env::var(crate::host::PEER)?;
    for protocol in ["tcp", "udp"] {
        let script = format!("exec 3<>/dev/{protocol}/{peer}/{PEER_PORT}; echo hello >&3; timeout 10 head -n 1 <&3");
        assert_same(run_bash(node, &script)?.as_str(), "hello")?;
    }
    Ok(())
}

fn address_of_the_host_is_reached(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let server = TcpListener::bind((CLIENTS[0], 0))?;
    let port = server.local_addr()?.port();
    let served = std::thread::spawn(move || server.accept().and_then(|(mut client, _)| client.write_all(b"hello\n")));
    let script = format!("exec 3<>/dev/tcp/{}/{port}; read -t 10 line <&3; echo $line", CLIENTS[0]);
    assert_same(run_bash(&node, &script)?.as_str(), "hello")?;
    Ok(served.join().map_err(|_| "the server failed")??)
}

/// Servers on the host's loopback trust their clients.
fn loopback_of_the_host_is_not_reached(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let server = TcpListener::bind(("127.0.0.1", 0))?;
    let port = server.local_addr()?.port();
    let gateway = node.sh("ip -4 route show default | cut -d' ' -f3")?;
    for address in ["127.0.0.1", &gateway] {
        let script = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null && echo connected");
        assert_same(run_bash(&node, &script)?.as_str(), "")?;
    }
    server.set_nonblocking(true)?;
    assert_that(server.accept().is_err(), "no connection arrived")
}

fn run_bash(node: &Node, script: &str) -> Result<String, Failed> {
    let output = enter_command(node.child_pid, ["bash", "-c", script]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Its gateway answers as long as it carries packets; a stopped process does not, and stays.
fn a_process_that_hangs_is_replaced(driver: NetworkDriver) -> Result<(), Failed> {
    let node = start(driver)?;
    let before = node.client()?.info()?.network;
    assert_same(before.restarts, 0)?;
    kill(Pid::from_raw(before.pid.cast_signed()), Signal::SIGSTOP)?;
    eventually_within(Duration::from_secs(90), "the driver is replaced", || is_restarted(&node))?;
    assert_that(!alive(before.pid.cast_signed()), "the old process is gone")
}
