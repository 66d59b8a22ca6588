//! Reads and validates `bundle.yaml`: no field can name a file outside of the bundle.

use super::{BundleError, MANIFEST, digest, host_architecture};
use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};
use usernetes_api::FieldError;
use usernetes_api::bundle::BundleManifest;
use usernetes_host::fs::{self, Context as _};

/// `apiVersion` of a manifest.
pub(crate) const API_VERSION: &str = "usernetes.rs/v1alpha1";
/// `kind` of a manifest.
pub(crate) const KIND: &str = "Bundle";

/// The canonical path of `dir`: the path that is verified is the one from which programs run.
pub(crate) fn resolve_directory(dir: &Path) -> Result<PathBuf, BundleError> {
    match dir.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(found) => Err(BundleError::Archive(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(BundleError::Missing(dir.to_owned())),
        Err(e) => Err(e).context("open", dir).map_err(Into::into),
    }
}

/// Reads the manifest of the bundle in `dir`; returns it with the SHA-256 of its text.
pub(crate) fn read_manifest(dir: &Path) -> Result<(BundleManifest, String), BundleError> {
    let path = dir.join(MANIFEST);
    let text = fs::read_if_exists(&path)?.ok_or_else(|| BundleError::NoManifest(dir.to_owned()))?;
    let manifest = parse_manifest(&path, &text)?;
    Ok((manifest, digest::hash_bytes(text.as_bytes())))
}

/// Parses and validates the text of a manifest; `path` is for messages.
pub(crate) fn parse_manifest(path: &Path, text: &str) -> Result<BundleManifest, BundleError> {
    let path = path.to_owned();
    let manifest: BundleManifest = serde_yaml::from_str(text).map_err(|e| BundleError::Parse {
        path: path.clone(),
        line: e.location().map_or(1, |at| at.line()),
        message: e.to_string(),
    })?;
    if (manifest.api_version.as_str(), manifest.kind.as_str()) != (API_VERSION, KIND) {
        return Err(BundleError::Kind { path, api_version: manifest.api_version, kind: manifest.kind });
    }
    let fields = find_faults(&manifest);
    if !fields.is_empty() {
        return Err(BundleError::Invalid { path, fields });
    }
    if manifest.architecture != host_architecture() {
        return Err(BundleError::Architecture { path, found: manifest.architecture, host: host_architecture() });
    }
    Ok(manifest)
}

/// All values that are not valid, with their field paths.
fn find_faults(manifest: &BundleManifest) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut fault = |field: String, message: String| faults.push(FieldError::new(field, message));
    if !is_directory_name(&manifest.name) {
        fault("name".into(), format!("{:?} is not of letters, digits, dots and dashes", manifest.name));
    }
    let mut seen = BTreeSet::from([MANIFEST]);
    for (i, file) in manifest.files.iter().enumerate() {
        if let Err(why) = strict_path(&file.path) {
            fault(format!("files[{i}].path"), format!("{:?} {why}", file.path));
        }
        if !seen.insert(&file.path) {
            fault(format!("files[{i}].path"), format!("{:?} is listed twice or is the manifest", file.path));
        }
        if !digest::is_hex(&file.sha256) {
            fault(format!("files[{i}].sha256"), format!("{:?} is not 64 of 0-9 and a-f", file.sha256));
        }
    }
    for (i, image) in manifest.images.iter().enumerate() {
        if let Some(path) = image.path.as_deref().filter(|path| !seen.contains(path)) {
            fault(format!("images[{i}].path"), format!("{path:?} is not in files"));
        }
    }
    faults
}

fn is_directory_name(name: &str) -> bool {
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
    valid && !name.is_empty() && name.len() <= 100 && !name.starts_with('.')
}

/// Checks a path of a manifest: relative, without `..`, in its shortest form.
fn strict_path(text: &str) -> Result<(), &'static str> {
    let inside = clean_path(Path::new(text))?;
    if text.is_empty() {
        return Err("has no name");
    }
    if inside.to_str() == Some(text) { Ok(()) } else { Err("is not written in its shortest form") }
}

/// The path of an archive's entry without `.` components; the reason if it would leave the directory of unpacking.
pub(crate) fn clean_path(path: &Path) -> Result<PathBuf, &'static str> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) if name.as_encoded_bytes().contains(&0) => return Err("has a NUL in its path"),
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out of the bundle"),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path"),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_leads_out(parts in proptest::collection::vec("(\\.{0,3}|[a-z/\\x00]{0,4})", 0..6)) {
            let text = parts.join("/");
            if let Ok(clean) = clean_path(Path::new(&text)) {
                let base = Path::new("/base");
                prop_assert!(base.join(&clean).starts_with(base));
                prop_assert!(clean.components().all(|part| matches!(part, Component::Normal(_))));
            } else {
                prop_assert!(text.starts_with('/') || text.contains("..") || text.contains('\0'));
            }
        }

        #[test]
        fn plain_paths_pass(path in "[a-z][a-z0-9.-]{0,8}(/[a-z][a-z0-9.-]{0,8}){0,3}") {
            prop_assert_eq!(strict_path(&path), Ok(()));
        }
    }

    #[test]
    fn strict_means_one_spelling() {
        for path in ["", ".", "./bin/a", "bin//a", "bin/a/", "bin/../a", "/bin/a", "..", "bin/./a"] {
            assert!(strict_path(path).is_err(), "{path}");
        }
    }
}
