//! What is said to `ctr`, and what it answers.

use crate::bundle::Bundle;
use serde::Serialize;
use std::ffi::OsString;
use usernetes_api::constants::CONTAINERD_SOCKET;

/// Keeps the kubelet from removing what no registry may give back.
const PINNED: &str = "io.cri-containerd.pinned=pinned";

/// An image in the runtime's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredImage {
    /// Its full name.
    pub name: String,
    /// Digest of its manifest, or of its index.
    pub digest: String,
    /// Size of its compressed parts, for people.
    pub size: String,
    /// What it runs on.
    pub platforms: String,
    /// Whether the kubelet must keep it.
    pub pinned: bool,
}

fn ctr_command(bundle: &Bundle, words: &[&str]) -> Vec<OsString> {
    let mut command = vec![bundle.program("ctr").into_os_string()];
    let fixed = ["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images"];
    command.extend(fixed.iter().chain(words).map(OsString::from));
    command
}

/// Imports an archive from standard input.
pub fn import_command(bundle: &Bundle, base_name: Option<&str>) -> Vec<OsString> {
    let base: Vec<&str> = base_name.map_or(vec![], |name| vec!["--base-name", name]);
    ctr_command(bundle, &[&["import", "--label", PINNED], &base[..], &["-"]].concat())
}

/// Pulls an image by its full name.
pub fn pull_command(bundle: &Bundle, name: &str) -> Vec<OsString> {
    ctr_command(bundle, &["pull", name])
}

/// Lists images, for [`parse_list`].
pub fn list_command(bundle: &Bundle) -> Vec<OsString> {
    ctr_command(bundle, &["list"])
}

/// Images by name. The runtime's further entries for the same images (by id, by digest) are left out.
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
