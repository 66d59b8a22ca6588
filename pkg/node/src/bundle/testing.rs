//! Small bundles and hostile archives for tests.

use super::{MANIFEST, digest, host_architecture, manifest};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use usernetes_api::bundle::{BundleFile, BundleImage, BundleManifest};

/// A directory for one test, with the directories that importing needs.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    pub(crate) fn bundles(&self) -> PathBuf {
        self.path("bundles")
    }

    /// A good bundle in `name`.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        let dir = self.path(name);
        let files = [
            write_file(&dir, "bin/kubelet", &vec![7; 300_000], true),
            write_file(&dir, "cni/bridge", b"bridge", true),
            write_file(&dir, "images/pause.tar", b"pause", false),
        ];
        let manifest = BundleManifest {
            api_version: manifest::API_VERSION.into(),
            kind: manifest::KIND.into(),
            name: "v1.36.3-test".into(),
            kubernetes_version: "v1.36.3".into(),
            architecture: host_architecture().into(),
            components: Vec::new(),
            images: vec![BundleImage {
                name: "pause".into(),
                reference: "registry.k8s.io/pause:3.10.2".into(),
                path: Some("images/pause.tar".into()),
            }],
            files: files.into(),
        };
        fs::write(dir.join(MANIFEST), serde_yaml::to_string(&manifest).expect("YAML")).expect("written");
        dir
    }

    /// What is in the directory of imported bundles, but the lock.
    pub(crate) fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.bundles()).expect("listed").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

fn write_file(dir: &Path, path: &str, content: &[u8], executable: bool) -> BundleFile {
    let full = dir.join(path);
    fs::create_dir_all(full.parent().expect("a directory")).expect("made");
    fs::write(&full, content).expect("written");
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(&full, Permissions::from_mode(mode)).expect("changed");
    BundleFile { path: path.into(), size: content.len() as u64, sha256: digest::hash_bytes(content), executable }
}

/// Rewrites the manifest of the bundle in `dir`.
pub(crate) fn edit_manifest(dir: &Path, change: impl FnOnce(String) -> String) {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).expect("read");
    fs::write(path, change(text)).expect("written");
}

/// The directory `dir` as a tar archive, under `prefix`.
pub(crate) fn build_tar(dir: &Path, prefix: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(prefix, dir).expect("archived");
    builder.into_inner().expect("archived")
}

/// One entry whose path is written as it is, as no honest tool would.
pub(crate) fn build_hostile_entry(path: &str, kind: tar::EntryType, link: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    let raw = header.as_mut_bytes();
    raw[..path.len()].copy_from_slice(path.as_bytes());
    raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &[][..]).expect("archived");
    builder.into_inner().expect("archived")
}
