//! Command lines of `ctr`, and a parser of its list of images.

use crate::bundle::Bundle;
use serde::Serialize;
use std::ffi::OsString;
use usernetes_api::constants::CONTAINERD_SOCKET;

/// Label that excludes an image from garbage collection: a registry may not have it.
const PINNED: &str = "io.cri-containerd.pinned=pinned";

/// An image in the runtime's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredImage {
    /// Full name of the image.
    pub name: String,
    /// Digest of the manifest or the index.
    pub digest: String,
    /// Size of the compressed layers with its unit, such as `1.5 MiB`.
    pub size: String,
    /// Platforms of the image, separated by commas.
    pub platforms: String,
    /// Whether the image is excluded from garbage collection.
    pub pinned: bool,
}

fn ctr_command(bundle: &Bundle, words: &[&str]) -> Vec<OsString> {
    let mut command = vec![bundle.program("ctr").into_os_string()];
    let fixed = ["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images"];
    command.extend(fixed.iter().chain(words).map(OsString::from));
    command
}

/// Command that imports an archive from standard input. `base_name` is the repository of images with a tag only.
pub fn import_command(bundle: &Bundle, base_name: Option<&str>) -> Vec<OsString> {
    let base: Vec<&str> = base_name.map_or(vec![], |name| vec!["--base-name", name]);
    ctr_command(bundle, &[&["import", "--label", PINNED], &base[..], &["-"]].concat())
}

/// Command that pulls an image by its full name.
pub fn pull_command(bundle: &Bundle, name: &str) -> Vec<OsString> {
    ctr_command(bundle, &["pull", name])
}

/// Command that lists images, in the format of [`parse_list`].
pub fn list_command(bundle: &Bundle) -> Vec<OsString> {
    ctr_command(bundle, &["list"])
}

/// Parses the output of [`list_command`], sorted by name. Further entries of the same images (by id, by digest) are left
/// out.
pub fn parse_list(text: &str) -> Vec<StoredImage> {
    let mut images: Vec<_> = text.lines().skip(1).filter_map(parse_line).collect();
    images.sort_by(|a, b| a.name.cmp(&b.name));
    images
}

/// `REF TYPE DIGEST SIZE UNIT PLATFORMS LABELS`, in columns.
fn parse_line(line: &str) -> Option<StoredImage> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|name| !name.starts_with("sha256:") && !name.contains('@'))?.to_owned();
    let digest = words.nth(1)?.to_owned();
    let size = format!("{} {}", words.next()?, words.next()?);
    let platforms = words.next()?.to_owned();
    let pinned = words.next().is_some_and(|labels| labels.split(',').any(|label| label == PINNED));
    Some(StoredImage { name, digest, size, platforms, pinned })
}
