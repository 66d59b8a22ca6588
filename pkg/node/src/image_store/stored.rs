//! The images of a running node, through the runtime's own interface: inspect, remove, prune.

use super::ImageError;
use crate::runtime_api::{Container, Image, RuntimeClient};
use serde::Serialize;
use std::path::Path;

/// The store of a runtime that runs.
pub struct RuntimeStore {
    client: RuntimeClient,
    /// Names of the bundle's images.
    needed: Vec<String>,
}

/// An image that was removed, or that can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnusedImage {
    /// Digest of its configuration.
    pub id: String,
    /// All of its names; empty for an image that has lost them.
    pub names: Vec<String>,
    /// Bytes in the store.
    pub size: u64,
}

impl RuntimeStore {
    /// Connects to the runtime's socket. `needed` are the names of images that the node needs.
    pub async fn connect(socket: &Path, needed: Vec<String>) -> Result<Self, ImageError> {
        Ok(Self { client: RuntimeClient::connect(socket).await?, needed })
    }

    /// The runtime's own description of an image, with its OCI configuration. `name` is a full name or an id.
    pub async fn inspect(&self, name: &str) -> Result<serde_json::Value, ImageError> {
        let (image, info) = self.find(name).await?;
        let info = info.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(serde_json::Value::Null);
        let Image { id, repo_tags, repo_digests, size, pinned } = image;
        Ok(serde_json::json!({
            "id": id, "repoTags": repo_tags, "repoDigests": repo_digests, "size": size, "pinned": pinned, "info": info
        }))
    }

    /// Removes an image with all of its names, unless the node or a container needs it.
    pub async fn remove(&self, name: &str) -> Result<UnusedImage, ImageError> {
        let (image, _) = self.find(name).await?;
        if self.is_needed(&image) {
            return Err(ImageError::Needed(name.to_owned()));
        }
        let containers = self.client.list_all_containers().await?;
        if let Some(user) = containers.iter().find(|container| uses(container, &image)) {
            return Err(ImageError::Used { name: name.to_owned(), pod: pod_of(user) });
        }
        self.client.remove_image(&image.id).await?;
        Ok(image.into())
    }

    fn is_needed(&self, image: &Image) -> bool {
        image.repo_tags.iter().any(|name| self.needed.contains(name))
    }

    /// Images that no container has. Pinned ones are left out: they were imported, and no registry may have them.
    pub async fn find_unused(&self) -> Result<Vec<UnusedImage>, ImageError> {
        // Containers last: one that is created meanwhile keeps its image.
        let images = self.client.list_images().await?;
        let containers = self.client.list_all_containers().await?;
        let mut unused: Vec<UnusedImage> = images
            .into_iter()
            .filter(|image| {
                !image.pinned && !self.is_needed(image) && !containers.iter().any(|container| uses(container, image))
            })
            .map(UnusedImage::from)
            .collect();
        unused.sort_by(|a, b| a.names.cmp(&b.names));
        Ok(unused)
    }

    async fn find(&self, name: &str) -> Result<(Image, Option<String>), ImageError> {
        self.client.inspect_image(name).await?.ok_or_else(|| ImageError::NotStored(name.to_owned()))
    }
}

impl From<Image> for UnusedImage {
    fn from(Image { id, repo_tags, repo_digests, size, .. }: Image) -> Self {
        let names = if repo_tags.is_empty() { repo_digests } else { repo_tags };
        Self { id, names, size }
    }
}

/// Runtimes name a container's image by its id or by one of its names.
fn uses(container: &Container, image: &Image) -> bool {
    let names = image.repo_tags.iter().chain(&image.repo_digests).chain([&image.id]);
    names.into_iter().any(|name| *name == container.image_ref || *name == container.image_id)
}

fn pod_of(container: &Container) -> String {
    let label = |name: &str| container.labels.get(name).map_or("?", String::as_str);
    format!("{}/{}", label("io.kubernetes.pod.namespace"), label("io.kubernetes.pod.name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_name_their_image_in_several_ways() {
        let image = Image {
            id: "sha256:1".into(),
            repo_tags: vec!["registry.example/app:1".into()],
            repo_digests: vec!["registry.example/app@sha256:2".into()],
            ..Image::default()
        };
        let by_ref = |text: &str| Container { image_ref: text.to_owned(), ..Container::default() };
        assert!(
            ["sha256:1", "registry.example/app:1", "registry.example/app@sha256:2"]
                .into_iter()
                .all(|text| uses(&by_ref(text), &image))
        );
        assert!(uses(&Container { image_id: "sha256:1".into(), ..by_ref("other") }, &image));
        assert!(!uses(&by_ref("sha256:3"), &image));
    }
}
