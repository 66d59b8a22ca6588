//! Errors of bundles, with hints.

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
    /// The path does not exist.
    #[error("bundle {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The directory or archive has no `bundle.yaml`.
    #[error("{} is no bundle: it has no bundle.yaml", .0.display())]
    NoManifest(PathBuf),
    /// The path is an archive, which has to be imported first.
    #[error("bundle {} is an archive that was not imported", .0.display())]
    Archive(PathBuf),
    /// `bundle.yaml` is not YAML, has an unknown field or a value of the wrong type.
    #[error("{}:{line}: {message}", path.display())]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Message of the parser.
        message: String,
    },
    /// The manifest has another `kind` or `apiVersion`.
    #[error("{}: is {api_version} {kind}, not usernetes.rs/v1alpha1 Bundle", path.display())]
    Kind {
        /// The manifest.
        path: PathBuf,
        /// `apiVersion` of the manifest.
        api_version: String,
        /// `kind` of the manifest.
        kind: String,
    },
    /// Values of the manifest that are not valid, all of them.
    #[error("{}: {}", path.display(), join_lines(fields))]
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// Field paths and messages.
        fields: Vec<FieldError>,
    },
    /// The bundle is for another architecture.
    #[error("{}: is for {found}, this host is {host}", path.display())]
    Architecture {
        /// The manifest.
        path: PathBuf,
        /// Architecture of the bundle.
        found: String,
        /// Architecture of this host.
        host: &'static str,
    },
    /// Files that do not match the manifest, all of them.
    #[error("bundle {} is damaged:\n{}", dir.display(), join_lines(files))]
    Damaged {
        /// The bundle's directory, or the archive it came from.
        dir: PathBuf,
        /// Every bad file.
        files: Vec<BadFile>,
    },
    /// The file is not an archive.
    #[error("{} is no archive: neither tar nor tar in gzip or zstd", .0.display())]
    NoArchive(PathBuf),
    /// The archive cannot be read to its end.
    #[error("cannot unpack {}", archive.display())]
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
    /// An entry of the archive is not allowed in a bundle; nothing of it was written.
    #[error("{}: entry {entry:?} {why}", archive.display())]
    Entry {
        /// The archive.
        archive: PathBuf,
        /// Path of the entry in the archive, unchanged.
        entry: String,
        /// What is wrong with the entry.
        why: &'static str,
    },
    /// The bundle has another Kubernetes version than the configuration.
    #[error("bundle {} is Kubernetes {found}, the configuration wants {wanted}", dir.display())]
    Version {
        /// Directory of the bundle.
        dir: PathBuf,
        /// Kubernetes version of the bundle.
        found: String,
        /// Kubernetes version of the configuration.
        wanted: String,
    },
    /// The cluster's API server does not support the kubelet of the bundle.
    #[error("bundle {} is Kubernetes {found}: {}, {server}", dir.display(), explain_skew(found, server))]
    Skew {
        /// Directory of the bundle.
        dir: PathBuf,
        /// Kubernetes version of the bundle.
        found: String,
        /// Version of the API server.
        server: String,
    },
    /// No imported bundle has the Kubernetes version of the configuration.
    #[error("no bundle of Kubernetes {wanted} in {}{}", bundles.display(), list_found(found))]
    NotFound {
        /// Directory of imported bundles.
        bundles: PathBuf,
        /// Kubernetes version of the configuration.
        wanted: String,
        /// Versions of the imported bundles.
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

/// A file that does not match the manifest.
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
    /// The file does not exist.
    Missing,
    /// The path is a directory, link, socket or device.
    NotAFile,
    /// The file has another size, in bytes.
    Size {
        /// Size in the manifest.
        expected: u64,
        /// Size on disk.
        found: u64,
    },
    /// The file has another content of the same size.
    Checksum {
        /// SHA-256 in the manifest.
        expected: String,
        /// SHA-256 on disk.
        found: String,
    },
    /// The file is a program without permission to execute.
    NotExecutable,
    /// The file is in `bin/`, `cni/` or `lib/`, but not in the manifest.
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
pub const FROM_PEER_HINT: &str = "fetch the bundle from the control-plane host: usernetes-rs join - --bundle-from-peer";

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
                    "take a bundle of Kubernetes {server} ({range} work): usernetes-rs join - --bundle-from-peer \
                     fetches the cluster's own; or {WAYS}"
                )
            }
            Self::Version { found, .. } => {
                format!("set kubernetesVersion: {found} in the configuration, or choose another bundle: {WAYS}")
            }
        })
    }
}
