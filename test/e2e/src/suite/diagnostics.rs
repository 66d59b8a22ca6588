//! What is kept of a failed scenario.

use anyhow::Result;
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::id;

use crate::testbed::Testbed;
use crate::testbed::guest::Guest;
use crate::testbed::host::Host;
use crate::testbed::machine::Machine;

/// Lines of each log that are kept.
const LINES: usize = 400;

/// Writes what can be found out into a directory and returns it.
pub(crate) fn keep(suite: &str, scenario: &str, failure: &str, testbed: Option<&Testbed>) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("usernetes-e2e-kept/{suite}-{scenario}-{}", id()));
    let _ = fs::create_dir_all(&dir);
    let _ = fs::write(dir.join("failure.txt"), failure);
    for host in testbed.map_or(&[][..], Testbed::hosts) {
        let directory = dir.join(host.name());
        if let Err(error) = of(host, &directory) {
            let _ = fs::write(directory.join("incomplete.txt"), format!("{error:#}"));
        }
    }
    for guest in testbed.map_or(&[][..], Testbed::guests) {
        let directory = dir.join(guest.name());
        if let Err(error) = of_guest(guest, &directory) {
            let _ = fs::write(directory.join("incomplete.txt"), format!("{error:#}"));
        }
    }
    dir
}

/// What a guest shows while it is up, and its console in any case.
fn of_guest(guest: &Guest, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("transcript.txt"), guest.transcript().take())?;
    fs::copy(guest.console(), dir.join("console.txt"))?;
    let questions = [
        ("journal.txt", "journalctl --no-pager -b -n 1000", true),
        ("unit.txt", "systemctl --user --no-pager -l status 'usernetes-*'; systemctl --user cat 'usernetes-*'", false),
        ("cgroups.txt", "systemd-cgls --no-pager -l; mount; ip addr", true),
        ("status.txt", "usernetes-rs status", false),
        ("log.txt", "cd ~/.local/share/usernetes/default/log; tail -n 400 *", false),
        ("pods.txt", "usernetes-rs kubectl get all,nodes,events -A -o wide --request-timeout=5s", false),
        ("describe.txt", "usernetes-rs kubectl describe pods,nodes -A --request-timeout=5s", false),
    ];
    for (file, script, root) in questions {
        let run = guest.sh(script).limit(40);
        let answer = if root { run.root() } else { run }.output();
        fs::write(dir.join(file), answer.map_or_else(|e| e.to_string(), |o| o.to_string()))?;
    }
    let _ = guest.transcript().take();
    Ok(())
}

fn of(host: &Host, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join("transcript.txt"), host.transcript().take())?;
    fs::write(dir.join("processes.txt"), format!("{:#?}", host.processes()?))?;
    for file in ["journal.json", "config.yaml"] {
        let _ = fs::copy(host.state().join(file), dir.join(file));
    }
    logs(&host.state().join("log"), &dir.join("log"))?;
    let questions: [(&str, &[&str]); 5] = [
        ("status.txt", &["status"]),
        ("ports.txt", &["ports", "list"]),
        ("pods.txt", &["kubectl", "get", "all,nodes,events", "-A", "-o", "wide", "--request-timeout=5s"]),
        ("inside.txt", &["shell", "--", "sh", "-c", "ps axf; ip addr; cat /proc/self/mountinfo"]),
        ("describe.txt", &["kubectl", "describe", "pods,nodes", "-A", "--request-timeout=5s"]),
    ];
    for (file, question) in questions {
        let answer = host.tool(question).limit(20).spawn()?.wait(std::time::Duration::from_secs(20));
        fs::write(dir.join(file), answer.map_or_else(|e| e.to_string(), |o| o.to_string()))?;
    }
    let _ = host.transcript().take();
    Ok(())
}

/// The end of every log.
fn logs(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let Ok(bytes) = fs::read(entry.path()) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        fs::write(to.join(entry.file_name()), lines[lines.len().saturating_sub(LINES)..].join("\n"))?;
    }
    Ok(())
}

/// The last lines of a failure's output, short enough for a terminal.
pub(crate) fn brief(failure: &str) -> String {
    let lines: Vec<&str> = failure.lines().collect();
    if lines.len() <= 60 {
        return failure.to_owned();
    }
    let (head, tail) = (&lines[..20], &lines[lines.len() - 35..]);
    format!("{}\n... {} lines ...\n{}", head.join("\n"), lines.len() - 55, tail.join("\n"))
}

/// Exit code of a program that a signal ended, as shells give it.
pub(crate) fn code(signal: Signal) -> i32 {
    128 + signal as i32
}
