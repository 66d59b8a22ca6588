//! Server-side apply of many objects, in the order in which they depend on each other.

use crate::client::MANAGER;
use crate::{Cluster, Error, Verb};
use futures::{TryStreamExt, stream};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};

/// Concurrent requests; more gain nothing on two cores.
const CONCURRENCY: usize = 8;

impl Cluster {
    /// Applies objects: namespaces first, workloads last, so that no pod is refused because its service account is missing.
    pub async fn apply(&self, objects: &[DynamicObject]) -> Result<(), Error> {
        for stage in 0..=LAST_STAGE {
            let objects = objects.iter().filter(|object| stage_of(object) == stage);
            stream::iter(objects.map(Ok)).try_for_each_concurrent(CONCURRENCY, |o| self.apply_one(o)).await?;
        }
        Ok(())
    }

    async fn apply_one(&self, object: &DynamicObject) -> Result<(), Error> {
        let (api, name) = self.api_of(object);
        let params = PatchParams::apply(MANAGER).force();
        let result = api.patch(name, &params, &Patch::Apply(object)).await;
        result.map(drop).map_err(Error::request(Verb::Apply, describe_object(object)))
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
    match kind_of(object) {
        "Namespace" => 0,
        "DaemonSet" | "Deployment" => LAST_STAGE,
        _ => 1,
    }
}

fn kind_of(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

/// The plural follows from the kind for every built-in type in our manifests, so no discovery request is needed.
fn resource_of(object: &DynamicObject) -> ApiResource {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind))
}

fn describe_object(object: &DynamicObject) -> String {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{} {namespace}/{name}", kind_of(object)),
        None => format!("{} {name}", kind_of(object)),
    }
}
