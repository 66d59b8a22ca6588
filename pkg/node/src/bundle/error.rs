//! Why a bundle cannot be used, and with hints.

use super::{Skew, compare_versions};
use std::fmt;
use std::io;
use std::path::PathBuf;
use usernetes_api::FieldError;
use usernetes_host::FsError;

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or directory could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// There is nothing at that path.
    #[error("bundle {} does not exist", .0.display())]
    Missing(PathBuf),
    /// No `bundle.yaml` in the directory or archive.
    #[error("{} is no bundle: it has no bundle.yaml", .0.display())]
    NoManifest(PathBuf),
    /// An archive where an opened bundle is needed.
    #[error("bundle {} is an archive that was not imported", .0.display())]
    Archive(PathBuf),
    /// `bundle.yaml` is not YAML, has an unknown field or a value of the wrong type.
    #[error("{}:{line}: {message}", path.display())]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What serde says.
        message: String,
    },
    /// A manifest of another kind or version.
    #[error("{}: is {api_version} {kind}, not usernetes.rs/v1alpha1 Bundle", path.display())]
    Kind {
        /// The manifest.
        path: PathBuf,
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// Values of the manifest that cannot be, all of them.
    #[error("{}: {}", path.display(), join_lines(fields))]
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        fields: Vec<FieldError>,
    },
    /// Made for another machine.
    #[error("{}: is for {found}, this host is {host}", path.display())]
    Architecture {
        /// The manifest.
        path: PathBuf,
        /// What it is for.
        found: String,
        /// What this host is.
        host: &'static str,
    },
    /// Files that are not what the manifest says, all of them.
    #[error("bundle {} is damaged:\n{}", dir.display(), join_lines(files))]
    Damaged {
        /// The bundle's directory, or the archive it came from.
        dir: PathBuf,
        /// Every bad file.
        files: Vec<BadFile>,
    },
    /// A file that no program made as an archive.
    #[error("{} is no archive: neither tar nor tar in gzip or zstd", .0.display())]
    NoArchive(PathBuf),
    /// An archive that cannot be read to its end.
    #[error("cannot unpack {}", archive.display())]
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An entry that no bundle has: refused before anything of it is written.
    #[error("{}: entry {entry:?} {why}", archive.display())]
    Entry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry as it stands in the archive.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A bundle of another Kubernetes version than the configuration names.
    #[error("bundle {} is Kubernetes {found}, the configuration wants {wanted}", dir.display())]
    Version {
        /// The bundle.
        dir: PathBuf,
        /// Its version.
        found: String,
        /// The version wanted.
        wanted: String,
    },
    /// A bundle whose kubelet may not speak to the cluster's API server.
    #[error("bundle {} is Kubernetes {found}: {}, {server}", dir.display(), explain_skew(found, server))]
    Skew {
        /// The bundle.
        dir: PathBuf,
        /// Its version.
        found: String,
        /// That of the API server.
        server: String,
    },
    /// No imported bundle of that version.
    #[error("no bundle of Kubernetes {wanted} in {}{}", bundles.display(), list_found(found))]
    NotFound {
        /// Where imported bundles are.
        bundles: PathBuf,
        /// The version wanted.
        wanted: String,
        /// Versions that are there.
        found: Vec<String>,
    },
    /// No imported bundle whose kubelet may connect to the cluster's API server.
    #[error("this host has no bundle for the cluster: none of Kubernetes {server} in {}{}", bundles.display(), list_found(found))]
    NotFoundForCluster {
        /// Directory of imported bundles.
        bundles: PathBuf,
        /// Version of the API server.
        server: String,
        /// Versions of the imported bundles.
        found: Vec<String>,
    },
    /// The cluster's bundle, named by a join token, was not imported.
    #[error("no bundle in {} has the SHA-256 of the cluster's bundle, {sha256}", bundles.display())]
    NoDigest {
        /// Directory of imported bundles.
        bundles: PathBuf,
        /// SHA-256 of the `bundle.yaml` of the cluster's bundle.
        sha256: String,
    },
}

/// A file that is not what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Path within the bundle.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not there.
    Missing,
    /// A directory, link, socket or device.
    NotAFile,
    /// Cut short or too long.
    Size {
        /// According to the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// Right size, other content.
    Checksum {
        /// According to the manifest.
        expected: String,
        /// Of what is on disk.
        found: String,
    },
    /// A program without the permission to run.
    NotExecutable,
    /// In `bin/`, `cni/` or `lib/`, but not in the manifest.
    Unexpected,
    /// It cannot be read.
    Unreadable(String),
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}: ", self.path)?;
        match &self.fault {
            Fault::Missing => f.write_str("missing"),
            Fault::NotAFile => f.write_str("not a regular file"),
            Fault::Size { expected, found } if found < expected => {
                write!(f, "truncated, {found} of {expected} bytes")
            }
            Fault::Size { expected, found } => write!(f, "too long, {found} instead of {expected} bytes"),
            Fault::Checksum { expected, found } => write!(f, "sha256 is {found}, not {expected}"),
            Fault::NotExecutable => f.write_str("not executable"),
            Fault::Unexpected => f.write_str("not listed in bundle.yaml"),
            Fault::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

fn join_lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn explain_skew(kubelet: &str, server: &str) -> &'static str {
    match compare_versions(kubelet, server) {
        Skew::Newer => "its kubelet is newer than the cluster's API server",
        _ => "its kubelet is too old for the cluster's API server",
    }
}

fn list_found(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!("; there is {}", found.join(", ")) }
}

const WAYS: &str = "get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, \
                    or name one with `--bundle PATH`";

/// How a joining host gets the cluster's bundle without further preparation.
pub const FROM_PEER_HINT: &str =
    "fetch the bundle from the control-plane host: usernetes-rs join TOKEN --bundle-from-peer";

impl BundleError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Fs(error) => return error.hint(),
            Self::Missing(_) | Self::NotFound { .. } => WAYS.to_owned(),
            Self::NotFoundForCluster { .. } => format!("{FROM_PEER_HINT}; or {WAYS}"),
            Self::NoDigest { .. } => FROM_PEER_HINT.to_owned(),
            Self::NoManifest(_) => format!("a bundle is made by hack/bundle or by the tool itself; {WAYS}"),
            Self::Archive(path) => format!("usernetes-rs bundle import {}", path.display()),
            Self::Parse { .. } | Self::Kind { .. } | Self::Invalid { .. } => {
                "take a bundle that was made for this version of usernetes-rs, or make it again".to_owned()
            }
            Self::Architecture { host, .. } => format!("take a bundle whose name ends in {host}"),
            Self::Damaged { dir, .. } => {
                format!("remove {} and fetch or import the bundle again", dir.display())
            }
            Self::NoArchive(_) => format!("name a bundle's directory or its .tar, .tar.gz or .tar.zst; {WAYS}"),
            Self::Unpack { .. } => "copy the archive again; it is cut short, damaged, or the disk is full".to_owned(),
            Self::Entry { .. } => "do not use this archive: it was not made by usernetes-rs or was changed".to_owned(),
            Self::Skew { server, .. } => {
                let range = super::skew::supported_range(server).unwrap_or_else(|| server.clone());
                format!(
                    "take a bundle of Kubernetes {server} ({range} work): usernetes-rs join TOKEN --bundle-from-peer \
                     fetches the cluster's own; or {WAYS}"
                )
            }
            Self::Version { found, .. } => {
                format!("set kubernetesVersion: {found} in the configuration, or choose another bundle: {WAYS}")
            }
        })
    }
}
