//! Processor time of this process and of everything that it has started, on hosts as well.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Clock ticks of a second in `/proc`, the same on every Linux.
const TICKS: u64 = 100;

/// Times of one process, and of its children that ended and were waited for.
struct Stat {
    parent: u32,
    ticks: u64,
}

/// User and system time so far. Every process of a host descends from this one; a process that ends without being
/// waited for is missing.
pub(crate) fn time() -> Duration {
    let ended = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN].into_iter().filter_map(|who| getrusage(who).ok());
    ended.map(|usage| of_usage(&usage)).sum::<Duration>() + of_descendants(std::process::id())
}

fn of_usage(usage: &Usage) -> Duration {
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.cast_unsigned())
}

fn of_descendants(root: u32) -> Duration {
    let processes: HashMap<u32, Stat> =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(read).collect();
    let ticks: u64 =
        processes.keys().filter(|pid| descends(**pid, root, &processes)).map(|pid| processes[pid].ticks).sum();
    Duration::from_millis(1000 / TICKS * ticks)
}

fn descends(pid: u32, root: u32, processes: &HashMap<u32, Stat>) -> bool {
    // A tree is no deeper than it has processes, even if one was read before and one after a change.
    let mut at = pid;
    for _ in 0..processes.len() {
        match processes.get(&at) {
            Some(stat) if stat.parent == root => return true,
            Some(stat) => at = stat.parent,
            None => return false,
        }
    }
    false
}

fn read(entry: fs::DirEntry) -> Option<(u32, Stat)> {
    let pid = entry.file_name().to_str()?.parse().ok()?;
    let text = fs::read_to_string(entry.path().join("stat")).ok()?;
    // The name in parentheses may contain anything; state and parent are the first fields after it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((pid, Stat { parent: fields.get(1)?.parse().ok()?, ticks }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_counts_while_it_runs_and_after_its_end() {
        let before = time();
        let script = "i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done; echo done; read _";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let mut line = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut line).expect("a line");
        let running = time();
        assert!(running > before, "{running:?} {before:?}");
        drop(child.stdin.take());
        child.wait().expect("ours");
        assert!(time() + Duration::from_millis(30) >= running);
    }
}
