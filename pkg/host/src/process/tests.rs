//! A reaper takes every status of its process, so each test of it runs in a process of its own: this test program,
//! started again for one test.

use super::*;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const INNER: &str = "USERNETES_HOST_TEST_INNER";

/// Runs the test `name` in a new process unless this is that process already; true there.
fn inside(name: &str) -> bool {
    if std::env::var_os(INNER).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    let output = command.args(["--exact", name, "--nocapture"]).env(INNER, "1").output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let limited = async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time") };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(limited)
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn statuses_arrive() {
    if !inside("process::tests::statuses_arrive") {
        return;
    }
    let reaper = Reaper::start();
    let many: Vec<_> = (0..30).map(|n| reaper.spawn(&mut shell(&format!("exit {n}"))).expect("started")).collect();
    for (n, process) in many.iter().enumerate() {
        assert_eq!(block(process.wait()), Exit::Code(i32::try_from(n).expect("small")));
        assert!(process.exit().is_some());
        process.signal(Signal::SIGKILL);
    }
    let by_signal = reaper.spawn(&mut shell("kill -KILL $$")).expect("started");
    assert_eq!(block(by_signal.wait()), Exit::Signal(9));
    // A signal that has no name.
    let by_number = reaper.spawn(&mut shell("kill -40 $$")).expect("started");
    assert_eq!(block(by_number.wait()).to_string(), "signal 40");
    let sleeping = reaper.spawn(Command::new("sleep").arg("60")).expect("started");
    assert_eq!(sleeping.exit(), None);
    sleeping.signal(Signal::SIGTERM);
    assert_eq!(block(sleeping.wait()).to_string(), "signal SIGTERM");
}

#[test]
fn a_program_that_is_missing_is_an_error_and_harms_nothing() {
    if !inside("process::tests::a_program_that_is_missing_is_an_error_and_harms_nothing") {
        return;
    }
    let reaper = Reaper::start();
    for _ in 0..50 {
        let error = reaper.spawn(&mut Command::new("/nonexistent")).err().expect("missing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(block(reaper.spawn(&mut shell("exit 3")).expect("started").wait()), Exit::Code(3));
}

#[test]
fn orphans_are_reaped() {
    if !inside("process::tests::orphans_are_reaped") {
        return;
    }
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1)).expect("allowed");
    let reaper = Reaper::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pid");
    // The inner shell is orphaned by the end of the outer one, and ends later.
    let script = format!("(sleep 0.2; exit 5) & echo $! > {}", file.display());
    block(reaper.spawn(&mut shell(&script)).expect("started").wait());
    let orphan = std::fs::read_to_string(&file).expect("written");
    let proc = Path::new("/proc").join(orphan.trim());
    assert!(proc.exists(), "it still runs");
    let deadline = Instant::now() + Duration::from_secs(10);
    while proc.exists() {
        assert!(Instant::now() < deadline, "{} is still there", proc.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_detached_process_leads_a_session_and_writes_its_log() {
    const STAGE: &str = "USERNETES_HOST_TEST_DETACHED";
    if std::env::var_os(STAGE).is_some() {
        lead_session().expect("a new session");
        lead_session().expect("the same session");
        assert_eq!(nix::unistd::getsid(None).expect("ours"), nix::unistd::getpid());
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log/daemon.log");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "process::tests::a_detached_process_leads_a_session_and_writes_its_log"]).env(STAGE, "1");
    let status = detach(&mut command, Stdio::null(), &log).expect("started").wait().expect("ended");
    let text = std::fs::read_to_string(&log).expect("written");
    assert!(status.success() && text.contains("1 passed"), "{text}");
    let missing = detach(&mut Command::new("/nonexistent"), Stdio::null(), &log).expect_err("missing");
    assert_eq!(missing.to_string(), "cannot start /nonexistent");
}
