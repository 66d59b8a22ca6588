//! `images inspect`, `remove`, `prune`: what the runtime itself answers.

use super::ImageStore;
use crate::cli::confirm::confirm;
use crate::errors::Hinted;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use usernetes_node::image_store::{RuntimeStore, UnusedImage, full_name};

/// Prints a document for each image.
pub(super) fn inspect(store: &ImageStore, names: &[String]) -> Result<()> {
    let printer = &store.session.printer;
    let names = complete_names(names)?;
    in_runtime(store, async |runtime| {
        for name in &names {
            let image = runtime.inspect(name).await?;
            printer.object(&image);
            printer.result(&serde_json::to_string_pretty(&image)?);
        }
        Ok(())
    })
}

pub(super) fn remove(store: &ImageStore, names: &[String]) -> Result<()> {
    remove_all(store, &complete_names(names)?)
}

fn remove_all(store: &ImageStore, names: &[String]) -> Result<()> {
    in_runtime(store, async |runtime| {
        for name in names {
            print_removed(store, &runtime.remove(name).await?);
        }
        Ok(())
    })
}

pub(super) fn prune(store: &ImageStore, force: bool) -> Result<()> {
    let printer = &store.session.printer;
    let unused = in_runtime(store, async |runtime| Ok(runtime.find_unused().await?))?;
    if unused.is_empty() {
        printer.result(
            "no image to remove: each is used by a pod, of the bundle, or imported (usernetes-rs images remove)",
        );
        return Ok(());
    }
    if !force {
        let names: Vec<_> = unused.iter().map(display_name).collect();
        let question = format!(
            "This removes these images from this host:\n  {}\nAre you sure you want to proceed? [y/N]",
            names.join("\n  ")
        );
        if !confirm(&question)? {
            return Err(Hinted::new("no image was removed", "answer y, or pass --force").into());
        }
    }
    // By their ids: what has started to use one meanwhile keeps it.
    remove_all(store, &unused.into_iter().map(|image| image.id).collect::<Vec<_>>())
}

/// Full names; an id stays as it is.
fn complete_names(names: &[String]) -> Result<Vec<String>> {
    let complete = |name: &String| if name.starts_with("sha256:") { Ok(name.clone()) } else { full_name(name) };
    Ok(names.iter().map(complete).collect::<Result<_, _>>()?)
}

/// Runs requests to the node's runtime, whose socket is in the file tree of the node's first process.
fn in_runtime<T>(store: &ImageStore, requests: impl AsyncFnOnce(RuntimeStore) -> Result<T>) -> Result<T> {
    let inside = store.plan.host.cri.socket().trim_start_matches('/');
    let socket = PathBuf::from(format!("/proc/{}/root", store.child)).join(inside);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let needed = store.plan.software.images.iter().map(|image| image.reference.clone()).collect();
    runtime.block_on(async { requests(RuntimeStore::connect(&socket, needed).await?).await })
}

fn print_removed(store: &ImageStore, image: &UnusedImage) {
    let printer = &store.session.printer;
    printer.object(image);
    printer.result(&format!("removed {}  {}", display_name(image), indicatif::BinaryBytes(image.size)));
}

fn display_name(image: &UnusedImage) -> String {
    if image.names.is_empty() { image.id.clone() } else { image.names.join(", ") }
}
