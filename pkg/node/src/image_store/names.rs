//! Names of images: given by the user, and listed in archives.

use super::ImageError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// containerd's annotation with the full name.
const WHOLE_NAME: &str = "io.containerd.image.name";
/// The OCI specification's annotation; often only the tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An image in the `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    repo_tags: Option<Vec<String>>,
}

/// The `index.json` of an OCI layout.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Manifest>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The full name that runtimes use: with a registry (default docker.io), and a tag (default latest) or a digest.
pub fn full_name(name: &str) -> Result<String, ImageError> {
    let bad = || ImageError::Name(name.to_owned());
    let allowed = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    if !allowed || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.contains("//") {
        return Err(bad());
    }
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let registry = first.contains(['.', ':']) || first == "localhost";
    let name = match (registry, first) {
        (true, _) => name.to_owned(),
        (false, "") => format!("docker.io/library/{name}"),
        (false, _) => format!("docker.io/{name}"),
    };
    let last = rest.rsplit('/').next().filter(|last| !last.is_empty()).ok_or_else(bad)?;
    if last.contains('@') || last.contains(':') { Ok(name) } else { Ok(format!("{name}:latest")) }
}

/// Full names of the images in the `manifest.json` of `docker save`.
pub(super) fn parse_saved_names(archive: &Path, text: &[u8]) -> Result<Vec<String>, ImageError> {
    let images: Vec<Saved> = parse_json(archive, text)?;
    let mut names = Vec::new();
    for image in images {
        let tags = image.repo_tags.filter(|tags| !tags.is_empty());
        for tag in tags.ok_or_else(|| ImageError::Unnamed(archive.to_owned()))? {
            names.push(full_name(&tag)?);
        }
    }
    Ok(names)
}

/// Names of the images in the `index.json` of an OCI layout. With a base name, as in containerd, only those that begin with
/// it, and tags are completed by it.
pub(super) fn parse_layout_names(archive: &Path, text: &[u8], base: Option<&str>) -> Result<Vec<String>, ImageError> {
    let index: Index = parse_json(archive, text)?;
    let mut names = Vec::new();
    for Manifest { annotations } in index.manifests {
        let name = annotations.get(WHOLE_NAME).or_else(|| annotations.get(REF_NAME));
        let name = name.ok_or_else(|| ImageError::Unnamed(archive.to_owned()))?;
        let whole = name.contains(['/', ':', '@']);
        match base {
            None if !whole => return Err(ImageError::TagOnly { path: archive.to_owned(), tag: name.clone() }),
            Some(base) if !whole => names.push(format!("{base}:{name}")),
            Some(base) if !name.starts_with(base) => {}
            _ => names.push(name.clone()),
        }
    }
    Ok(names)
}

fn parse_json<'a, T: Deserialize<'a>>(archive: &Path, text: &'a [u8]) -> Result<T, ImageError> {
    serde_json::from_slice(text).map_err(|e| ImageError::Damaged { path: archive.to_owned(), source: e.into() })
}
