//! Images in containerd: archives go through `ctr` as they are read.

use super::ImageStore;
use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use std::io::Read as _;
use std::process::Stdio;
use std::thread;
use usernetes_node::image_store::{self, Sent, Source, StoredImage};

pub(super) fn import(store: &ImageStore, source: &Source, base_name: Option<&str>, bar: &ProgressBar) -> Result<Sent> {
    let mut command = store.command(image_store::import_command(&store.bundle, base_name));
    let mut ctr = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot enter the node")?;
    let to = ctr.stdin.take().expect("piped");
    let mut stderr = ctr.stderr.take().expect("piped");
    let stderr = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let progress = bar.clone();
    let sent = source.send(base_name, to, move |bytes| progress.set_position(bytes));
    if sent.is_err() {
        // ctr has an incomplete archive, which it must not import.
        ctr.kill()?;
    }
    let status = ctr.wait()?;
    let sent = sent?;
    if !status.success() {
        let text = stderr.join().ok().and_then(Result::ok).unwrap_or_default();
        return Err(store.command_failed(&format!("containerd does not accept {}", source.path().display()), &text));
    }
    Ok(sent)
}

pub(super) fn list(store: &ImageStore) -> Result<Vec<StoredImage>> {
    Ok(image_store::parse_list(&store.run(image_store::list_command(&store.bundle), "cannot list images")?))
}
