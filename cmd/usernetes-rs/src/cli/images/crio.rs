//! Images in CRI-O's storage: skopeo reads an archive more than once, so it gets a file.

use super::ImageStore;
use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use std::path::Path;
use usernetes_api::constants::CRIO_STORAGE_DIR;
use usernetes_node::CrioPrograms;
use usernetes_node::cri::CRIO_TMP_DIR;
use usernetes_node::image_store::{Sent, Source, StoredImage, list_crio_images};

pub(super) fn import(
    store: &ImageStore,
    programs: &CrioPrograms,
    source: &Source,
    base_name: Option<&str>,
    bar: &ProgressBar,
) -> Result<Sent> {
    let outside = store.session.paths().node(CRIO_TMP_DIR);
    let staged = tempfile::NamedTempFile::new_in(&outside).context("cannot keep the archive")?;
    let progress = bar.clone();
    let sent = source.send(base_name, staged.as_file(), move |bytes| progress.set_position(bytes))?;
    let inside = Path::new(CRIO_TMP_DIR).join(staged.path().file_name().expect("a file"));
    for name in &sent.images {
        let words = programs.copy_command(&transport_name(&inside, &sent, name), name);
        store.run(words, &format!("CRI-O's storage does not accept {name} of {}", source.path().display()))?;
    }
    Ok(sent)
}

/// skopeo's name for an image of an archive. Names in OCI layouts have several forms, so a layout must have one image.
fn transport_name(archive: &Path, sent: &Sent, name: &str) -> String {
    let archive = archive.display();
    if sent.saved { format!("docker-archive:{archive}:{name}") } else { format!("oci-archive:{archive}") }
}

pub(super) fn list(store: &ImageStore) -> Result<Vec<StoredImage>> {
    let pinned: Vec<_> = store.plan.software.images.iter().map(|image| image.reference.as_str()).collect();
    let storage = store.session.paths().node(CRIO_STORAGE_DIR);
    Ok(list_crio_images(&storage, usernetes_node::config::crio_storage_driver(store.plan.host.snapshotter), &pinned)?)
}
