//! Every socket on which a node accepts connections or datagrams, as the table of `.github/SECURITY.md` lists them.

use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use usernetes_e2e::{Host, Machine, Testbed};

const DOCUMENT: &str = include_str!("../../../../.github/SECURITY.md");
/// Port in the table of sockets whose port the kernel chooses, and the programs that have them.
const ANY: &str = "any";
const WITH_ANY_PORT: [&str; 2] = ["\"containerd\"", "\"slirp4netns\""];

/// `host` or `node`, transport, address, port.
type Socket = [String; 4];

/// The rows of the table for a control plane, or for a worker.
fn known(is_worker: bool) -> BTreeSet<Socket> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| host |") || line.starts_with("| node |"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let of_role = cells.filter(|cells| !is_worker || cells[6] == "all");
    of_role.map(|cells| [&cells[1], &cells[2], &cells[3], &cells[4]].map(Clone::clone)).collect()
}

/// Fails when a node listens on a socket that is not in the table, or the table names one that is not there.
pub(crate) fn sockets_are_known(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    for (host, is_worker) in [(first, false), (worker, true)] {
        let known = known(is_worker);
        ensure!(known.len() > 5, "no table");
        let mut found = listening(host, "host", host.admin("ss -Hlntup")?.text());
        found.extend(listening(host, "node", host.tool(&["shell", "--", "ss", "-Hlntup"]).ok()?.text()));
        let unknown: Vec<_> = found.difference(&known).collect();
        // A flow or an exec may be there at the moment or not.
        let missing: Vec<_> = known.difference(&found).filter(|socket| socket[3] != ANY).collect();
        ensure!(unknown.is_empty() && missing.is_empty(), "{}: unknown {unknown:?}, missing {missing:?}", host.name());
    }
    Ok(())
}

/// Lines such as `tcp LISTEN 0 4096 127.0.0.1:10248 0.0.0.0:* users:(("kubelet",pid=1,fd=2))`.
fn listening(host: &Host, place: &str, text: &str) -> BTreeSet<Socket> {
    text.lines().filter_map(|line| socket(host, place, line)).collect()
}

fn socket(host: &Host, place: &str, line: &str) -> Option<Socket> {
    let words: Vec<_> = line.split_whitespace().collect();
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let own = host.address();
    let address = match address.trim_matches(['[', ']']).split('%').next()? {
        "0.0.0.0" | "::" | "*" => "*",
        address if address == own => "HOST_IP",
        address => address,
    };
    let port = if WITH_ANY_PORT.iter().any(|program| line.contains(program)) { ANY } else { port };
    Some([place, words[0], address, port].map(str::to_owned))
}
