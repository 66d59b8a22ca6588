//! Many objects at once by server-side apply, in the order in which they depend on each other.

use crate::client::MANAGER;
use crate::{Cluster, Error, Verb};
use futures::{TryStreamExt, stream};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};

/// Requests under way at a time: more gain nothing on two cores.
const CONCURRENCY: usize = 8;

impl Cluster {
    /// Applies them all: namespaces first, workloads last, so that no pod is refused for want of its service account.
    pub async fn apply(&self, objects: &[DynamicObject]) -> Result<(), Error> {
        for stage in 0..=LAST_STAGE {
            let now = objects.iter().filter(|object| stage_of(object) == stage);
            stream::iter(now.map(Ok)).try_for_each_concurrent(CONCURRENCY, |o| self.apply_one(o)).await?;
        }
        Ok(())
    }

    async fn apply_one(&self, object: &DynamicObject) -> Result<(), Error> {
        let (api, name) = self.api_of(object);
        let params = PatchParams::apply(MANAGER).force();
        let result = api.patch(name, &params, &Patch::Apply(object)).await;
        result.map(drop).map_err(Error::request(Verb::Apply, title(object)))
    }

    /// Deletes them all, those that are gone already included.
    pub async fn remove(&self, objects: &[DynamicObject]) -> Result<(), Error> {
        let one = async |object: &DynamicObject| {
            let (api, name) = self.api_of(object);
            match api.delete(name, &kube::api::DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                result => result.map(drop).map_err(Error::request(Verb::Delete, title(object))),
            }
        };
        for object in objects.iter().rev() {
            one(object).await?;
        }
        Ok(())
    }

    fn api_of<'a>(&self, object: &'a DynamicObject) -> (Api<DynamicObject>, &'a str) {
        let resource = resource_of(object);
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        };
        (api, object.metadata.name.as_deref().unwrap_or_default())
    }
}

const LAST_STAGE: u8 = 2;

fn stage_of(object: &DynamicObject) -> u8 {
    match kind(object) {
        "Namespace" => 0,
        "DaemonSet" | "Deployment" => LAST_STAGE,
        _ => 1,
    }
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

/// Plural and group follow from the kind for every built-in type that we use: no discovery round trip.
fn resource_of(object: &DynamicObject) -> ApiResource {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind))
}

fn title(object: &DynamicObject) -> String {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{} {namespace}/{name}", kind(object)),
        None => format!("{} {name}", kind(object)),
    }
}
