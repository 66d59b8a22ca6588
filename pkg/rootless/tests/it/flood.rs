//! Floods of a published port.

use crate::harness::{Node, alive, assert_same, assert_that, eventually};
use crate::ports::{connect, with_port};
use libtest_mimic::Failed;
use serde_json::json;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use usernetes_api::Protocol;
use usernetes_host::CommandExt as _;

pub(crate) const TESTS: &[(&str, crate::Test)] = &[
    ("flood::idle_connections_give_way", idle_connections_give_way),
    ("flood::used_connections_stay", used_connections_stay),
    ("flood::without_descriptors", without_descriptors),
    ("flood::slow_readers_take_no_memory", slow_readers_take_no_memory),
];

/// Descriptors of PID 1: 35 connections of one client, as 256 are kept aside.
const DESCRIPTORS: usize = 400;
const MANY: usize = 300;

fn set_descriptors(node: &Node, limit: usize) -> Result<(), Failed> {
    let pid = node.child_pid.to_string();
    // The hard limit stays, so that the soft one can be raised again.
    Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).run()?;
    Ok(())
}

fn open_descriptors(node: &Node) -> Result<usize, Failed> {
    let count = node.sh("ls /proc/1/fd | wc -l")?;
    Ok(count.parse()?)
}

fn ask_echo(stream: &mut TcpStream) -> Result<(), Failed> {
    stream.write_all(b"x")?;
    Ok(stream.read_exact(&mut [0])?)
}

fn idle_connections_give_way() -> Result<(), Failed> {
    let (node, spec) = with_port("tcp", Protocol::Tcp)?;
    set_descriptors(&node, DESCRIPTORS)?;
    let mut first = connect(spec.host)?;
    ask_echo(&mut first)?;
    let flood: Vec<_> = (0..MANY).map(|_| connect(spec.host)).collect::<Result<_, _>>()?;
    // A user who shares the flood's address is served, what is in use goes on, and a component can be started.
    ask_echo(&mut connect(spec.host)?)?;
    ask_echo(&mut first)?;
    assert_same(node.ask(json!({ "spawn": ["true"] }))?, json!("exit code 0"))?;
    let open = open_descriptors(&node)?;
    assert_that(open < DESCRIPTORS - 200, &format!("{open} descriptors are open"))?;
    drop(flood);
    eventually("descriptors are closed", || open_descriptors(&node).is_ok_and(|open| open < 60))
}

fn used_connections_stay() -> Result<(), Failed> {
    let (node, spec) = with_port("tcp", Protocol::Tcp)?;
    set_descriptors(&node, DESCRIPTORS)?;
    let mut used = Vec::new();
    for _ in 0..35 {
        let mut stream = connect(spec.host)?;
        ask_echo(&mut stream)?;
        used.push(stream);
    }
    let refused = connect(spec.host).map(|mut stream| stream.read(&mut [0]));
    assert_same(refused?.err().map(|e| e.kind()), Some(ErrorKind::ConnectionReset))?;
    used.iter_mut().try_for_each(ask_echo)?;
    used.pop();
    eventually("an end makes place", || connect(spec.host).is_ok_and(|mut stream| ask_echo(&mut stream).is_ok()))
}

/// The accept queue waits, without a loop.
fn without_descriptors() -> Result<(), Failed> {
    let (node, spec) = with_port("tcp", Protocol::Tcp)?;
    set_descriptors(&node, 10)?;
    let mut waiting = connect(spec.host)?;
    let before = used_ticks(&node)?;
    sleep(Duration::from_secs(1));
    let ticks = used_ticks(&node)? - before;
    assert_that(ticks < 20, &format!("{ticks} ticks of 10 ms in one second"))?;
    set_descriptors(&node, DESCRIPTORS)?;
    ask_echo(&mut waiting)?;
    assert_that(alive(node.child_pid), "the child goes on")
}

/// Processor time of PID 1, in ticks of 10 ms.
fn used_ticks(node: &Node) -> Result<u64, Failed> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", node.child_pid))?;
    let mut fields = stat.rsplit_once(") ").ok_or("a line of stat")?.1.split(' ').skip(11);
    let mut next = || fields.next().and_then(|field| field.parse::<u64>().ok()).ok_or("a number");
    Ok(next()? + next()?)
}

fn slow_readers_take_no_memory() -> Result<(), Failed> {
    const CLIENTS: usize = 50;
    let (node, spec) = with_port("deaf", Protocol::Tcp)?;
    // The thread's buffer is touched by the first connection.
    let _first = fill(connect(spec.host)?)?;
    let before = memory(&node)?;
    let slow: Vec<_> = (0..CLIENTS).map(|_| fill(connect(spec.host)?)).collect::<Result<_, Failed>>()?;
    sleep(Duration::from_millis(500));
    let each = memory(&node)?.saturating_sub(before) / CLIENTS;
    drop(slow);
    eprintln!("{each} KiB for each client whose data is not read");
    assert_that(each < 10, &format!("{each} KiB for each client whose data is not read"))
}

/// Sends until nothing is taken any more.
fn fill(mut stream: TcpStream) -> Result<TcpStream, Failed> {
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;
    while stream.write(&[0; 16384]).is_ok() {}
    Ok(stream)
}

/// Resident memory of PID 1 in KiB.
fn memory(node: &Node) -> Result<usize, Failed> {
    let status = fs::read_to_string(format!("/proc/{}/status", node.child_pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
