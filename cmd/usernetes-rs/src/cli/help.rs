//! `help TOPIC`: guides. They are the pages of `docs/`, embedded.

#[cfg(test)]
mod tests;

use std::ffi::OsString;

/// A guide that `usernetes-rs help NAME` shows.
struct Topic {
    /// The word after `help`; the file in `docs/` has the same name.
    name: &'static str,
    /// One line for the list of topics.
    short: &'static str,
    /// The page, in Markdown.
    page: &'static str,
}

macro_rules! topic {
    ($name:literal, $short:literal) => {
        Topic { name: $name, short: $short, page: include_str!(concat!("../../docs/", $name, ".md")) }
    };
}

const TOPICS: [Topic; 11] = [
    topic!("several-machines", "Join other hosts, tokens, ports between hosts, a homelab over ssh"),
    topic!("day-two", "Stop, renew, resume, images, remove a node, a new address, boot, exit codes"),
    topic!("configuration", "Every field of a configuration file, and what becomes of it"),
    topic!("networking", "Published ports, client addresses, ports below 1024, MTU"),
    topic!("pods", "Limits, user namespaces of pods, volumes, runtimes"),
    topic!("cri-o", "CRI-O instead of containerd"),
    topic!("nested", "A node inside a container"),
    topic!("how-it-works", "Processes, paths, the systemd unit"),
    topic!("where-it-runs", "Scenarios of the tests by kind of host"),
    topic!("conformance", "Upstream's conformance suite"),
    topic!("figures", "Times of start and join, memory"),
];

/// What `--help` says about them.
pub(crate) const GUIDES: &str = "Guides: usernetes-rs help topics";

/// The word that lists the topics.
const LIST: &str = "topics";

/// The page that `… help TOPIC` asks for, or the list of `… help topics`. Everything else about `help` is clap's.
pub(crate) fn page(arguments: &[OsString]) -> Option<String> {
    let [.., help, name] = arguments else { return None };
    if help != "help" {
        return None;
    }
    let topic = TOPICS.iter().find(|topic| name == topic.name);
    topic.map(|topic| topic.page.to_owned()).or_else(|| (name == LIST).then(topic_list))
}

fn topic_list() -> String {
    let width = TOPICS.iter().map(|topic| topic.name.len()).max().unwrap_or_default();
    let rows = TOPICS.iter().map(|topic| format!("  {:width$}  {}\n", topic.name, topic.short));
    format!("Guides, shown by usernetes-rs help TOPIC:\n{}", rows.collect::<String>())
}
