//! Start, stop, ids, mounts, and what is left after a violent end.

use crate::harness::{Node, PARENT, alive, assert_same, assert_that, eventually, launch, processes_of, spec};
use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use usernetes_rootless::control::{Client, ControlError};
use usernetes_rootless::{FileEntry, Mount};

pub(crate) const TESTS: &[(&str, crate::Test)] = &[
    ("lifecycle::start_and_stop", start_and_stop),
    ("lifecycle::control_socket_is_private", control_socket_is_private),
    ("lifecycle::ids_and_namespaces", ids_and_namespaces),
    ("lifecycle::orphans_are_reaped", orphans_are_reaped),
    ("lifecycle::reaper_gives_the_status", reaper_gives_the_status),
    ("lifecycle::sigkill_of_the_parent_leaves_nothing", sigkill_of_the_parent_leaves_nothing),
    ("lifecycle::sigkill_at_any_moment_of_the_start", sigkill_at_any_moment_of_the_start),
    ("lifecycle::sigterm_ends_in_order", sigterm_ends_in_order),
    ("lifecycle::leftovers_are_ended", leftovers_are_ended),
    ("lifecycle::payload_failure_is_the_exit_code", payload_failure_is_the_exit_code),
    ("lifecycle::second_parent_is_refused", second_parent_is_refused),
    ("lifecycle::mounts_and_files", mounts_and_files),
    ("lifecycle::missing_source_is_named", missing_source_is_named),
    ("lifecycle::status_is_streamed", status_is_streamed),
    ("lifecycle::request_of_a_client_that_left_is_dropped", request_of_a_client_that_left_is_dropped),
    ("lifecycle::memory", memory),
];

fn start_and_stop() -> Result<(), Failed> {
    let node = Node::start()?;
    let info = node.client()?.info()?;
    assert_same(info.child_pid, node.child_pid)?;
    assert_that(info.ready && info.network.pid != 0, "ready with a network")?;
    assert_same(&info.status["phase"], &json!("up"))?;
    let (runtime, started) = (node.runtime_dir(), node.started_in);
    let before = Instant::now();
    node.stop()?;
    eprintln!("start to ready {started:?}, stop {:?}", before.elapsed());
    assert_that(!runtime.join("control.sock").exists(), "the socket is gone")?;
    let nothing = Client::connect(&runtime);
    assert_that(matches!(nothing, Err(ControlError::NotRunning { .. })), "nothing runs there")
}

fn control_socket_is_private() -> Result<(), Failed> {
    let node = Node::start()?;
    let mode = |path: &std::path::Path| Ok::<_, Failed>(std::fs::metadata(path)?.permissions().mode() & 0o777);
    assert_same(mode(&node.runtime_dir())?, 0o700)?;
    assert_same(mode(&node.runtime_dir().join("control.sock"))?, 0o600)
}

fn ids_and_namespaces() -> Result<(), Failed> {
    let node = Node::start()?;
    assert_same(node.sh("id -u; id -g; hostname; cat /proc/1/comm")?.as_str(), "0\n0\nnode-it\nusernetes-child")?;
    let map = node.sh("cat /proc/self/uid_map")?;
    let rows: Vec<Vec<u32>> =
        map.lines().map(|l| l.split_whitespace().filter_map(|n| n.parse().ok()).collect()).collect();
    assert_same(&rows[0], &vec![0, nix::unistd::getuid().as_raw(), 1])?;
    assert_that(rows[1][0] == 1 && rows[1][2] == 65535, "the subordinate range follows")?;
    assert_same(
        node.sh(
            "touch /tmp/u7s-it-$$ && chown 1000:1000 /tmp/u7s-it-$$ && stat -c %u /tmp/u7s-it-$$; rm /tmp/u7s-it-$$",
        )?
        .as_str(),
        "1000",
    )?;
    for namespace in ["user", "mnt", "net", "pid", "uts", "ipc", "cgroup"] {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/{namespace}"));
        assert_that(of("self")? != of(&node.child_pid.to_string())?, namespace)?;
    }
    let environment = node.sh("tr '\\0' '\\n' < /proc/1/environ")?;
    assert_that(
        !environment.contains("NOTIFY_SOCKET") && !environment.contains("XDG_RUNTIME_DIR"),
        "a clean environment",
    )
}

fn orphans_are_reaped() -> Result<(), Failed> {
    let node = Node::start()?;
    node.sh("(sleep 0.1 &) ; (sleep 0.1 &)")?;
    let none = || processes_of(node.child_pid) == [node.child_pid];
    eventually("only PID 1 is left", none)?;
    assert_same(node.sh("cat /proc/[0-9]*/stat | grep -c ' Z ' || true")?.as_str(), "0")
}

fn reaper_gives_the_status() -> Result<(), Failed> {
    let node = Node::start()?;
    assert_same(node.ask(json!({ "spawn": ["sh", "-c", "exit 3"] }))?, json!("exit code 3"))?;
    assert_same(node.ask(json!({ "spawn": ["sh", "-c", "kill -9 $$"] }))?, json!("signal SIGKILL"))
}

fn sigkill_of_the_parent_leaves_nothing() -> Result<(), Failed> {
    let mut node = Node::start()?;
    node.sh("sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 &")?;
    let mut pids = processes_of(node.child_pid);
    assert_that(pids.len() >= 3, "PID 1 and two more")?;
    pids.push(node.client()?.info()?.network.pid.cast_signed());
    node.parent.kill()?;
    node.parent.wait()?;
    eventually("every process is gone", || pids.iter().all(|pid| !alive(*pid)))?;
    // The socket that stayed is no obstacle.
    let spec = spec(node.directory.path());
    let (mut parent, pid, _) = launch(&spec, node.directory.path())?;
    let started = pid.is_ok();
    parent.kill()?;
    parent.wait()?;
    assert_that(started, "a restart in the same directory")
}

fn sigkill_at_any_moment_of_the_start() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("spec.json");
    std::fs::write(&file, serde_json::to_vec(&spec(directory.path()))?)?;
    for delay in (0..60).step_by(2) {
        let mut command = Command::new(std::env::current_exe()?);
        let mut parent = command.arg(PARENT).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        sleep(Duration::from_millis(delay));
        parent.kill()?;
        // Every stage has the parent's output open, so the end of the output is the end of all.
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(parent.wait_with_output()));
        assert_that(end.recv_timeout(Duration::from_secs(10)).is_ok(), &format!("nothing is left after {delay} ms"))?;
    }
    Ok(())
}

fn sigterm_ends_in_order() -> Result<(), Failed> {
    let mut node = Node::start()?;
    let driver = node.client()?.info()?.network.pid.cast_signed();
    kill(Pid::from_raw(node.parent.id().cast_signed()), Signal::SIGTERM)?;
    assert_same(node.parent.wait()?.code(), Some(0))?;
    assert_that(!alive(node.child_pid), "the child is gone")?;
    eventually("the network driver is gone", || !alive(driver))
}

fn leftovers_are_ended() -> Result<(), Failed> {
    let node = Node::start()?;
    node.sh("sh -c 'trap \"\" TERM; while :; do sleep 1; done' >/dev/null 2>&1 &")?;
    let pids = processes_of(node.child_pid);
    let before = Instant::now();
    node.stop()?;
    assert_that(before.elapsed() < Duration::from_secs(5), "the wait for processes that ignore SIGTERM is short")?;
    assert_that(pids.iter().all(|pid| !alive(*pid)), "nothing is left")
}

fn payload_failure_is_the_exit_code() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let mut spec = spec(directory.path());
    spec.payload = json!({ "fail": true });
    let (mut parent, _, _) = launch(&spec, directory.path())?;
    assert_same(parent.wait()?.code(), Some(7))
}

fn second_parent_is_refused() -> Result<(), Failed> {
    let node = Node::start()?;
    let (_, outcome, _) = launch(&spec(node.directory.path()), node.directory.path())?;
    let message = outcome.err().ok_or("a second one started")?;
    assert_same(message, format!("error already running in {}", node.runtime_dir().display()))?;
    node.client()?.info().map(drop).map_err(Failed::from)
}

fn mounts_and_files() -> Result<(), Failed> {
    let node = Node::start_with(|spec, directory| {
        let source = directory.join("source");
        std::fs::create_dir_all(&source).expect("a directory");
        std::fs::write(source.join("file"), "from the host").expect("a file");
        spec.mounts = vec![
            Mount::bind(&source, "/var/lib/u7s-it/data"),
            Mount::bind(&source, "/etc/u7s-it"),
            Mount::bind(&source, "/opt/u7s-it/bin"),
            Mount::bind(source.join("file"), "/var/log/u7s-it.log"),
            Mount::tmpfs("/run/u7s-it"),
            Mount::private("/usr/local"),
        ];
        spec.files = vec![
            FileEntry::public("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
            FileEntry { path: "/run/u7s-it/secret".into(), content: "x".into(), mode: 0o600 },
            FileEntry::public("/etc/ssl/u7s-it.conf", "y"),
        ];
        spec.sysctls = vec![("net.ipv4.ip_forward".into(), "1".into()), ("no.such".into(), "1".into())];
    })?;
    for file in ["/var/lib/u7s-it/data/file", "/etc/u7s-it/file", "/opt/u7s-it/bin/file", "/var/log/u7s-it.log"] {
        assert_same(node.sh(&format!("cat {file}"))?.as_str(), "from the host")?;
    }
    node.sh("echo new > /var/lib/u7s-it/data/new; echo a > /etc/new; rm -f /etc/hostname; mkdir -p /etc/cni/net.d /opt/other /usr/local/u7s-it; test -d /usr/local/bin")?;
    let written = std::fs::read_to_string(node.directory.path().join("source/new"))?;
    assert_same(written.as_str(), "new\n")?;
    assert_same(
        node.sh("cat /etc/passwd; stat -c %a /run/u7s-it/secret; cat /etc/ssl/u7s-it.conf")?.as_str(),
        "root:x:0:0::/root:/bin/sh\n600\ny",
    )?;
    assert_same(
        node.sh("cat /etc/resolv.conf; grep -w node-it /etc/hosts | cut -f1; ls /run")?.as_str(),
        "nameserver 10.0.2.3\n198.51.100.11\nlock\nu7s-it",
    )?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let kind = if mounts.lines().any(|l| l.split(' ').nth(4).is_some_and(|m| m.starts_with("/etc/"))) {
        "tmpfs"
    } else {
        "overlayfs"
    };
    assert_same(node.sh("stat -fc %T /etc")?.as_str(), kind)?;
    // What the host has stays visible, and stays the host's.
    assert_same(node.sh("ls /var/lib/dpkg/status")?.as_str(), "/var/lib/dpkg/status")?;
    assert_that(
        ["/var/lib/u7s-it", "/etc/new", "/usr/local/u7s-it"].iter().all(|path| !std::path::Path::new(path).exists()),
        "the host is untouched",
    )?;
    assert_that(node.sh("grep -c ' / / .*shared:' /proc/self/mountinfo")? != "0", "/ is shared")?;
    assert_same(node.sh("stat -fc %T /sys/fs/cgroup")?.as_str(), "cgroup2fs")?;
    let outcomes = node.client()?.info()?.status["sysctls"].clone();
    assert_same(&outcomes[0], &json!(["net.ipv4.ip_forward", null]))?;
    assert_that(outcomes[1][1].is_string(), "an unknown sysctl is reported")?;
    assert_same(node.sh("cat /proc/sys/net/ipv4/ip_forward")?.as_str(), "1")
}

fn missing_source_is_named() -> Result<(), Failed> {
    let started = Node::start_with(|spec, _| spec.mounts = vec![Mount::bind("/nowhere/at/all", "/mnt")]);
    let message = started.err().ok_or("it started")?.message().unwrap_or_default().to_owned();
    assert_that(message.contains("the child failed: cannot open /nowhere/at/all"), &message)
}

fn status_is_streamed() -> Result<(), Failed> {
    let node = Node::start()?;
    let mut watch = node.client()?.watch()?;
    let next =
        |watch: &mut usernetes_rootless::control::Watch| -> Result<Value, Failed> { Ok(watch.next().ok_or("ended")??) };
    assert_same(&next(&mut watch)?["phase"], &json!("up"))?;
    node.ask(json!({ "status": "busy" }))?;
    assert_same(next(&mut watch)?, json!("busy"))?;
    node.stop()?;
    assert_that(watch.next().is_none(), "it ends with the child")
}

fn request_of_a_client_that_left_is_dropped() -> Result<(), Failed> {
    let node = Node::start()?;
    let mut watch = node.client()?.watch()?;
    let mut client = UnixStream::connect(node.runtime_dir().join("control.sock"))?;
    client.write_all(b"{\"payload\":{\"wait\":true}}\n")?;
    drop(client);
    let left = watch.find(|status| status.as_ref().is_ok_and(|status| status["phase"] == "left alone"));
    assert_that(left.is_some(), "the payload noticed it")?;
    node.stop()
}

/// The goal for the whole product is 25 MiB of resident memory. A build without optimization maps much of its file, so
/// this limits the anonymous memory to a small part of that.
fn memory() -> Result<(), Failed> {
    let node = Node::start()?;
    let of = |pid: i32, field: &str| -> Result<u64, Failed> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|l| l.starts_with(field)).ok_or("no such field")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
    };
    let (parent, child) = (node.parent.id().cast_signed(), node.child_pid);
    eprintln!("RSS parent {} KiB, child {} KiB", of(parent, "VmRSS:")?, of(child, "VmRSS:")?);
    let own = of(parent, "RssAnon:")? + of(child, "RssAnon:")?;
    assert_that(own < 4 * 1024, &format!("{own} KiB of both together are below 4 MiB"))
}
