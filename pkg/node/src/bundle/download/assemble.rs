//! Assembles a bundle from downloaded and verified files.

use super::DownloadError;
use super::table::{self, Artifact, Content, Release};
use crate::bundle::{MANIFEST, digest, manifest, unpack};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tar::Archive;
use usernetes_api::bundle::{BundleComponent, BundleFile, BundleImage, BundleManifest};
use usernetes_host::Mode;
use usernetes_host::fs::{self, Context as _, create_dir};

/// A downloaded and verified artifact.
pub(crate) struct Fetched {
    pub(crate) artifact: &'static Artifact,
    pub(crate) url: String,
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
}

/// Fills the empty directory `to` with the files and the manifest of a bundle.
pub(crate) fn assemble_bundle(fetched: &[Fetched], release: &Release<'_>, to: &Path) -> Result<(), DownloadError> {
    let mut images: Vec<BundleImage> = table::pulled_images().collect();
    let mut paths = Vec::new();
    for one in fetched {
        match one.artifact.content {
            Content::Program(path) => {
                link_file(&one.path, to, path, Mode::Program)?;
                paths.push((path, true));
            }
            Content::Image(name, path) => {
                link_file(&one.path, to, path, Mode::Public)?;
                let reference = read_reference(one)?;
                images.push(BundleImage { name: name.into(), reference, path: Some(path.into()) });
                paths.push((path, false));
            }
            Content::Archive(members) => {
                extract_members(one, members, release, to)?;
                paths.extend(members.iter().map(|&(_, path)| (path, true)));
            }
        }
    }
    images.sort_by(|a, b| a.name.cmp(&b.name));
    paths.sort_unstable();
    let manifest = BundleManifest {
        api_version: manifest::API_VERSION.into(),
        kind: manifest::KIND.into(),
        name: format!("{}-{}", release.kubernetes, release.architecture),
        kubernetes_version: release.kubernetes.into(),
        architecture: release.architecture.into(),
        components: list_components(fetched, release),
        images,
        files: paths.into_iter().map(|(path, program)| describe_file(to, path, program)).collect::<Result<_, _>>()?,
    };
    let text = serde_yaml::to_string(&manifest).expect("a manifest is YAML");
    Ok(fs::write(to.join(MANIFEST), text, Mode::Public)?)
}

fn list_components(fetched: &[Fetched], release: &Release<'_>) -> Vec<BundleComponent> {
    let versions: BTreeMap<_, _> =
        fetched.iter().map(|one| (one.artifact.component, one.artifact.version(release))).collect();
    versions.into_iter().map(|(name, version)| BundleComponent { name: name.into(), version: version.into() }).collect()
}

fn link_file(from: &Path, to: &Path, path: &str, mode: Mode) -> Result<(), DownloadError> {
    let target = to.join(path);
    create_dir(target.parent().unwrap_or(to))?;
    std::fs::hard_link(from, &target).context("make", &target)?;
    set_mode(&target, mode)
}

fn set_mode(path: &Path, mode: Mode) -> Result<(), DownloadError> {
    use std::os::unix::fs::PermissionsExt as _;
    let bits = std::fs::Permissions::from_mode(mode.bits());
    Ok(std::fs::set_permissions(path, bits).context("change", path)?)
}

fn describe_file(dir: &Path, path: &str, executable: bool) -> Result<BundleFile, DownloadError> {
    let full = dir.join(path);
    let opened = File::open(&full).context("read", &full)?;
    let size = opened.metadata().context("read", &full)?.len();
    let sha256 = digest::hash_reader(opened, &|_| {}).context("read", &full)?;
    Ok(BundleFile { path: path.into(), size, sha256, executable })
}

/// Extracts the listed members of an archive, as (path in the archive, path in the bundle), and no others.
fn extract_members(
    one: &Fetched,
    members: &[(&str, &str)],
    release: &Release<'_>,
    to: &Path,
) -> Result<(), DownloadError> {
    let broken = |source| DownloadError::Archive { url: one.url.clone(), source };
    let mut wanted: HashMap<PathBuf, &str> =
        members.iter().map(|(member, path)| (one.artifact.fill_template(member, release).into(), *path)).collect();
    let mut archive = Archive::new(unpack::open_archive(&one.path).map_err(broken)?);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let Ok(member) = manifest::clean_path(&entry.path().map_err(broken)?) else { continue };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if let Some(path) = wanted.remove(&member) {
            let target = to.join(path);
            create_dir(target.parent().unwrap_or(to))?;
            let mut file = File::create_new(&target).context("make", &target)?;
            io::copy(&mut entry, &mut file).map_err(broken)?;
            set_mode(&target, Mode::Program)?;
        }
    }
    match wanted.into_keys().min() {
        Some(member) => Err(DownloadError::Member { url: one.url.clone(), member: member.display().to_string() }),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct DockerImage {
    #[serde(rename = "RepoTags")]
    tags: Option<Vec<String>>,
}

/// The image reference in a docker archive: the first tag in its `manifest.json`.
fn read_reference(one: &Fetched) -> Result<String, DownloadError> {
    let broken = |source| DownloadError::Archive { url: one.url.clone(), source };
    let mut archive = Archive::new(unpack::open_archive(&one.path).map_err(broken)?);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if entry.path().map_err(broken)?.as_ref() != Path::new("manifest.json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).map_err(broken)?;
        let images: Vec<DockerImage> = serde_json::from_str(&text).map_err(|e| broken(e.into()))?;
        let tag = images.into_iter().find_map(|image| image.tags?.into_iter().next());
        return tag.ok_or_else(|| DownloadError::Member { url: one.url.clone(), member: "image tag".into() });
    }
    Err(DownloadError::Member { url: one.url.clone(), member: "manifest.json".into() })
}
