//! Requests of CRI's `ImageService`.

use super::image_messages::{
    Image, ImageSpec, ImageStatusRequest, ImageStatusResponse, ListImagesRequest, ListImagesResponse,
    RemoveImageRequest, RemoveImageResponse,
};
use super::{ANSWER, Container, RuntimeClient, RuntimeError};
use prost::Message;
use std::time::Duration;

/// Time limit of a removal: a runtime deletes the layers before it answers.
const REMOVAL: Duration = Duration::from_mins(2);

impl RuntimeClient {
    /// All images.
    pub(crate) async fn list_images(&self) -> Result<Vec<Image>, RuntimeError> {
        let answer: ListImagesResponse = self.call_images("ListImages", ListImagesRequest {}, ANSWER).await?;
        Ok(answer.images)
    }

    /// All containers, also those that have ended.
    pub(crate) async fn list_all_containers(&self) -> Result<Vec<Container>, RuntimeError> {
        self.list_containers(None).await
    }

    /// The image of a name or an id, with the runtime's own description of it in JSON; `None` if it is not stored.
    pub(crate) async fn inspect_image(&self, name: &str) -> Result<Option<(Image, Option<String>)>, RuntimeError> {
        let request = ImageStatusRequest { image: Some(ImageSpec { image: name.to_owned() }), verbose: true };
        let mut answer: ImageStatusResponse = self.call_images("ImageStatus", request, ANSWER).await?;
        Ok(answer.image.map(|image| (image, answer.info.remove("info"))))
    }

    /// Removes an image by its id, with all of its names.
    pub(crate) async fn remove_image(&self, id: &str) -> Result<(), RuntimeError> {
        let request = RemoveImageRequest { image: Some(ImageSpec { image: id.to_owned() }) };
        self.call_images::<_, RemoveImageResponse>("RemoveImage", request, REMOVAL).await.map(drop)
    }

    async fn call_images<Q, A>(&self, method: &'static str, request: Q, limit: Duration) -> Result<A, RuntimeError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call_service("ImageService", method, request, limit).await
    }
}
