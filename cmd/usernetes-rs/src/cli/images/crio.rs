//! Images in CRI-O's storage: skopeo reads an archive more than once, so it gets a file.

use super::{Node, hinted};
use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use std::path::Path;
use usernetes_api::constants::CRIO_STORAGE_DIR;
use usernetes_node::CrioPrograms;
use usernetes_node::cri::CRIO_TMP_DIR;
use usernetes_node::image_store::{Sent, Source, StoredImage, crio_images};

pub(super) fn import(
    node: &Node,
    programs: &CrioPrograms,
    source: &Source,
    base_name: Option<&str>,
    bar: &ProgressBar,
) -> Result<Sent> {
    let outside = node.session.paths.node(CRIO_TMP_DIR);
    let staged = tempfile::NamedTempFile::new_in(&outside).context("cannot keep the archive")?;
    let moved = bar.clone();
    let sent = source.send(base_name, staged.as_file(), move |bytes| moved.set_position(bytes)).map_err(hinted)?;
    let inside = Path::new(CRIO_TMP_DIR).join(staged.path().file_name().expect("a file"));
    for name in &sent.images {
        let words = programs.copy_command(&notation(&inside, &sent, name), name);
        node.done(words, &format!("CRI-O's storage does not take {name} of {}", source.path().display()))?;
    }
    Ok(sent)
}

/// As skopeo writes an image of an archive. A layout's images have names of many kinds, so it must have one only.
fn notation(archive: &Path, sent: &Sent, name: &str) -> String {
    let archive = archive.display();
    if sent.saved { format!("docker-archive:{archive}:{name}") } else { format!("oci-archive:{archive}") }
}

pub(super) fn list(node: &Node) -> Result<Vec<StoredImage>> {
    let pinned: Vec<_> = node.plan.images.iter().map(|image| image.reference.as_str()).collect();
    let storage = node.session.paths.node(CRIO_STORAGE_DIR);
    Ok(crio_images(&storage, node.plan.crio_storage_driver(), &pinned)?)
}
