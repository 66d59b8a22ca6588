//! The way out, and the helper that carries it.

use crate::harness::{Node, alive, assert_same, assert_that, eventually};
use crate::host::PEER_PORT;
use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const TESTS: &[(&str, crate::Test)] =
    &[("network::interfaces", interfaces), ("network::tap_survives_its_helper", tap_survives_its_helper)];

/// These need a second host.
pub(crate) const WITH_PEER: &[(&str, crate::Test)] = &[
    ("network::outside_is_reached", outside_is_reached),
    ("network::outside_is_reached_again", outside_is_reached_again),
];

fn interfaces() -> Result<(), Failed> {
    let node = Node::start()?;
    let lo = node.sh("ip -o -4 address show dev lo")?;
    assert_that(lo.contains("198.51.100.11/32"), &lo)?;
    let tap = node.sh("ip -o address show dev tap0; ip -o link show dev tap0")?;
    assert_that(tap.contains("10.0.2.100/24") && tap.contains("mtu 65520") && tap.contains("LOWER_UP"), &tap)?;
    let route = node.sh("ip -4 route show default")?;
    assert_that(route.starts_with("default via 10.0.2.2 dev tap0"), &route)
}

fn tap_survives_its_helper() -> Result<(), Failed> {
    let node = Node::start()?;
    let index = node.sh("cat /sys/class/net/tap0/ifindex")?;
    // A link bound to the tap is what a vanishing tap would take along.
    node.sh("ip link add vx type vxlan id 1 dev tap0 dstport 8472")?;
    kill_helper(&node)?;
    assert_same(node.sh("cat /sys/class/net/tap0/ifindex")?, index)?;
    node.sh("ip link show vx").map(drop)
}

/// Kills slirp4netns and waits until another carries the tap.
fn kill_helper(node: &Node) -> Result<(), Failed> {
    let before = node.client()?.info()?.network;
    kill(Pid::from_raw(before.pid.cast_signed()), Signal::SIGKILL)?;
    let restarted =
        || node.client().is_ok_and(|mut c| c.info().is_ok_and(|i| i.network.restarts == 1 && i.network.pid != 0));
    eventually("it is started again", restarted)?;
    assert_that(!alive(before.pid.cast_signed()), "the old one is gone")?;
    eventually("the tap has a carrier", || node.sh("cat /sys/class/net/tap0/carrier").is_ok_and(|c| c == "1"))
}

fn outside_is_reached() -> Result<(), Failed> {
    let node = Node::start()?;
    reach_outside(&node)
}

fn outside_is_reached_again() -> Result<(), Failed> {
    let node = Node::start()?;
    reach_outside(&node)?;
    kill_helper(&node)?;
    reach_outside(&node)
}

fn reach_outside(node: &Node) -> Result<(), Failed> {
    let peer = std::env::var(crate::host::PEER)?;
    let script = format!("exec 3<>/dev/tcp/{peer}/{PEER_PORT}; echo hello >&3; read -t 10 line <&3; echo $line");
    let command = usernetes_rootless::enter_command(node.child_pid, ["bash", "-c", &script]).output()?;
    assert_same(String::from_utf8_lossy(&command.stdout).trim(), "hello")
}
