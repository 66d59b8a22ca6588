//! A process is never in its own way, so the holder is another one: this test program, started again.

use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

const LOCK: &str = "USERNETES_HOST_TEST_LOCK";

/// Holds the file until it is ended; a test only as the process that others start.
#[test]
fn as_holder() {
    let Some(path) = std::env::var_os(LOCK) else { return };
    let _tenancy = ProcessLock::take(path).expect("free");
    writeln!(std::io::stdout(), "\nheld").expect("a reader");
    std::thread::sleep(Duration::from_mins(1));
}

/// `ignored` is a signal that does not end it.
fn start_holder(path: &Path, ignored: &str) -> Child {
    let mut command = Command::new("sh");
    let script = format!("trap '' {ignored}; exec \"$0\" --exact process_lock::tests::as_holder --nocapture");
    command.args(["-c", &script]).arg(std::env::current_exe().expect("this program"));
    let mut holder = command.env(LOCK, path).stdout(Stdio::piped()).spawn().expect("started");
    let lines = BufReader::new(holder.stdout.take().expect("piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"), "it holds the file");
    holder
}

fn pid(process: &Child) -> i32 {
    process.id().cast_signed()
}

#[test]
fn a_second_one_is_refused_and_the_first_is_found_and_ended() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    assert!(LockHolder::of(&path).expect("readable").is_none(), "there is no file");
    let mut first = start_holder(&path, "HUP");
    let held = ProcessLock::take(&path).expect_err("held");
    assert_eq!(held.to_string(), format!("process {} has {}", pid(&first), path.display()));
    let holder = LockHolder::of(&path).expect("readable").expect("a holder");
    assert_eq!(holder.pid.as_raw_nonzero().get(), pid(&first));
    holder.end(Duration::from_secs(20)).expect("ends");
    assert!(LockHolder::of(&path).expect("readable").is_none(), "the file is there and no process holds it");
    assert!(!first.wait().expect("ours").success(), "by SIGTERM");
    ProcessLock::take(&path).expect("free again");
}

#[test]
fn one_that_stays_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    let mut first = start_holder(&path, "TERM");
    let holder = LockHolder::of(&path).expect("readable").expect("a holder");
    let stays = holder.end(Duration::from_millis(50)).expect_err("ignores SIGTERM");
    assert_eq!(stays.hint(), Some(format!("kill -KILL {}, and run it again", pid(&first))));
    first.kill().expect("ours");
    first.wait().expect("ours");
}

#[test]
fn a_process_that_lost_the_file_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("lock");
    std::fs::write(&path, "").expect("writable");
    let mut other = Command::new("sleep").arg("60").spawn().expect("started");
    let past = LockHolder { path, pid: Pid::from_raw(pid(&other)).expect("a pid") };
    past.end(Duration::from_secs(20)).expect("nothing to end");
    assert!(other.try_wait().expect("ours").is_none(), "it had nothing to do with it");
    other.kill().expect("ours");
    other.wait().expect("ours");
}
