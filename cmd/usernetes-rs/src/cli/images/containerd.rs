//! Images in containerd: archives go through `ctr` as they are read.

use super::{Node, hinted};
use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use std::io::Read as _;
use std::process::Stdio;
use std::thread;
use usernetes_node::image_store::{self as store, Sent, Source, StoredImage};

pub(super) fn import(node: &Node, source: &Source, base_name: Option<&str>, bar: &ProgressBar) -> Result<Sent> {
    let mut command = node.command(store::import_command(&node.bundle, base_name));
    let mut ctr = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot enter the node")?;
    let to = ctr.stdin.take().expect("piped");
    let mut complaints = ctr.stderr.take().expect("piped");
    let complaints = thread::spawn(move || {
        let mut text = String::new();
        complaints.read_to_string(&mut text).map(|_| text)
    });
    let moved = bar.clone();
    let sent = source.send(base_name, to, move |bytes| moved.set_position(bytes));
    if sent.is_err() {
        // It has an unfinished archive; what it got so far is garbage to containerd.
        ctr.kill()?;
    }
    let status = ctr.wait()?;
    let sent = sent.map_err(hinted)?;
    if !status.success() {
        let text = complaints.join().ok().and_then(Result::ok).unwrap_or_default();
        return Err(node.failed(&format!("containerd does not take {}", source.path().display()), &text));
    }
    Ok(sent)
}

pub(super) fn list(node: &Node) -> Result<Vec<StoredImage>> {
    Ok(store::parse_list(&node.done(store::list_command(&node.bundle), "cannot list images")?))
}
