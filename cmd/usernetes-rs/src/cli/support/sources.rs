//! What an archive for a bug report has: output of commands, and files of the node.

use crate::session::Session;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A file of the archive.
pub(super) struct Entry {
    /// Path in the archive.
    pub(super) name: String,
    /// Content, still with secrets.
    pub(super) text: String,
}

/// Time limit of a command: an API server or a driver may hang.
const LIMIT: Duration = Duration::from_secs(20);
/// Longest content in bytes; the end is kept.
const LONGEST: u64 = 1 << 20;

/// Commands of this program: file in the archive, arguments.
const OWN: [(&str, &[&str]); 12] = [
    ("version.json", &["version", "-o", "json"]),
    ("preflight.json", &["preflight", "-o", "json"]),
    ("status.json", &["status", "-o", "json"]),
    ("status.txt", &["status"]),
    ("ports.json", &["ports", "list", "-o", "json"]),
    ("images.txt", &["images", "list"]),
    ("cluster/nodes.txt", &["kubectl", "describe", "nodes"]),
    ("cluster/pods.txt", &["kubectl", "get", "pods", "-A", "-o", "wide"]),
    ("cluster/events.txt", &["kubectl", "get", "events", "-A", "--sort-by=.lastTimestamp"]),
    ("node/addresses.txt", &["shell", "--", "ip", "-d", "address"]),
    ("node/routes.txt", &["shell", "--", "sh", "-c", "ip rule; ip route show table all"]),
    ("node/nftables.txt", &["shell", "--", "nft", "list", "ruleset"]),
];

/// Commands of the host.
const HOST: [(&str, &[&str]); 6] = [
    ("host/system.txt", &["sh", "-c", "uname -a; cat /etc/os-release; nproc; free -m; uptime; id"]),
    ("host/file-systems.txt", &["sh", "-c", "df -hT; df -i; cat /proc/self/mountinfo"]),
    ("host/addresses.txt", &["ip", "-d", "address"]),
    ("host/routes.txt", &["sh", "-c", "ip rule; ip route show table all; cat /etc/resolv.conf"]),
    ("host/sockets.txt", &["ss", "-lntu"]),
    (
        "host/limits.txt",
        &[
            "sh",
            "-c",
            "cat /proc/self/limits /proc/self/cgroup; sysctl -a 2>/dev/null | grep -E '^(user|net.ipv4.ip_|net.core|kernel.keys|fs.inotify)'",
        ],
    ),
];

/// Everything that can be had; what fails is in the archive as its error.
pub(super) async fn collect(session: &Session) -> Vec<Entry> {
    let cluster = session.paths().cluster.to_string();
    let mut running = JoinSet::new();
    for (name, words) in OWN {
        let mut command = Command::new("/proc/self/exe");
        command.args(["--cluster", &cluster]).args(words);
        running.spawn(run_source(name, command));
    }
    for (name, words) in HOST {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        running.spawn(run_source(name, command));
    }
    let mut entries = running.join_all().await;
    let paths = session.paths();
    entries.push(Entry { name: "config.yaml".to_owned(), text: read_end(&paths.config()) });
    let logs = std::fs::read_dir(paths.logs()).into_iter().flatten().flatten();
    entries.extend(
        logs.map(|log| Entry {
            name: format!("logs/{}", log.file_name().to_string_lossy()),
            text: read_end(&log.path()),
        }),
    );
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Output of a command, then its errors and how it ended.
async fn run_source(name: &'static str, mut command: Command) -> Entry {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let text = match timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let end = if output.status.success() { String::new() } else { format!("{}\n", output.status) };
            format!("{}{errors}{end}", keep_end(&output.stdout))
        }
        Ok(Err(error)) => format!("cannot run it: {error}\n"),
        Err(_) => format!("no end within {LIMIT:?}\n"),
    };
    Entry { name: name.to_owned(), text }
}

/// The end of a file; the error if it cannot be read.
fn read_end(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|error| format!("cannot read {}: {error}\n", path.display()), |bytes| keep_end(&bytes))
}

fn keep_end(bytes: &[u8]) -> String {
    let longest = usize::try_from(LONGEST).unwrap_or(usize::MAX);
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(longest)..]).into_owned()
}
