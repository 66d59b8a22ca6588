//! Lists CRI-O's images from the records of its storage, since CRI-O has no program that lists them.

use super::{ImageError, StoredImage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;

/// An image in `DRIVER-images/images.json`.
#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    digest: String,
    layer: Option<String>,
}

/// A layer in `DRIVER-layers/layers.json`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Layer {
    id: String,
    parent: Option<String>,
    #[serde(default)]
    diff_size: u64,
}

/// The images in the containers-storage directory `storage` with this driver, sorted by name. `pinned` are the references of
/// pinned images. Sizes are those of unpacked layers.
pub fn list_crio_images(storage: &Path, driver: &str, pinned: &[&str]) -> Result<Vec<StoredImage>, ImageError> {
    let images: Vec<Image> = read_records(&storage.join(format!("{driver}-images/images.json")))?;
    let layers: Vec<Layer> = read_records(&storage.join(format!("{driver}-layers/layers.json")))?;
    let layers = layers.iter().map(|layer| (layer.id.as_str(), layer)).collect();
    let mut stored = Vec::new();
    for image in &images {
        for name in image.names.iter().filter(|name| !name.contains('@')) {
            stored.push(StoredImage {
                name: name.clone(),
                digest: image.digest.clone(),
                size: format_mib(image_size(image, &layers)),
                platforms: super::host_platform(),
                pinned: pinned.contains(&name.as_str()),
            });
        }
    }
    stored.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(stored)
}

/// Reads a list of records; empty before the first image.
fn read_records<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ImageError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| ImageError::Damaged { path: path.to_owned(), source: error.into() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(ImageError::Read { path: path.to_owned(), source }),
    }
}

fn image_size(image: &Image, layers: &HashMap<&str, &Layer>) -> u64 {
    let get = |id: &Option<String>| layers.get(id.as_deref()?).copied();
    std::iter::successors(get(&image.layer), |layer| get(&layer.parent)).map(|layer| layer.diff_size).sum()
}

/// A size in the notation of `ctr`.
fn format_mib(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: &str = r#"[
        {"id":"2","digest":"sha256:22","names":["registry.example/b:1","registry.example/a:1","registry.example/a@sha256:22"],"layer":"l2"},
        {"id":"3","digest":"sha256:33"}]"#;
    const LAYERS: &str = r#"[{"id":"l1","diff-size":1048576},{"id":"l2","parent":"l1","diff-size":524288}]"#;

    #[test]
    fn images_are_listed_by_name() {
        let storage = tempfile::tempdir().expect("a directory");
        assert_eq!(list_crio_images(storage.path(), "overlay", &[]).expect("none yet"), []);
        for (file, text) in [("overlay-images/images.json", IMAGES), ("overlay-layers/layers.json", LAYERS)] {
            let path = storage.path().join(file);
            std::fs::create_dir(path.parent().expect("a directory")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let images = list_crio_images(storage.path(), "overlay", &["registry.example/b:1"]).expect("two names");
        let shown: Vec<_> = images.iter().map(|i| format!("{} {} {} {}", i.name, i.digest, i.size, i.pinned)).collect();
        assert_eq!(
            shown,
            ["registry.example/a:1 sha256:22 1.5 MiB false", "registry.example/b:1 sha256:22 1.5 MiB true"]
        );
    }

    #[test]
    fn damaged_records_are_named() {
        let storage = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(storage.path().join("vfs-images")).expect("made");
        std::fs::write(storage.path().join("vfs-images/images.json"), "[{").expect("written");
        let error = list_crio_images(storage.path(), "vfs", &[]).expect_err("damaged");
        assert!(error.to_string().ends_with("vfs-images/images.json is damaged"), "{error}");
    }
}
