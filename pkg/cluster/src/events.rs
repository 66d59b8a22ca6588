//! Events, which `kubectl describe` shows beside the object that they concern.

use crate::client::MANAGER;
use crate::{Cluster, Error, Verb};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The object that an event concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// API version, such as `v1`.
    pub api_version: &'static str,
    /// Kind, such as `Service`.
    pub kind: &'static str,
    /// Namespace; empty for objects without one.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

impl ObjectRef {
    /// A reference to `object`.
    pub(crate) fn new(api_version: &'static str, kind: &'static str, object: &impl ResourceExt) -> Self {
        Self {
            api_version,
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// Records a warning on an object. The same warning again increments the count of the first one.
    pub async fn record_event(&self, object: &ObjectRef, host: &str, reason: &str, message: &str) -> Result<(), Error> {
        let api = self.namespaced::<Event>(event_namespace(object));
        let event = new_event(object, host, reason, message);
        let name = event.metadata.name.clone().unwrap_or_default();
        let title = format!("Event {}/{name}", event_namespace(object));
        match api.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // A kubelet may patch events but not get them: the answer to the first patch has the count.
                let time = Patch::Merge(json!({ "lastTimestamp": event.last_timestamp }));
                let old = api.patch(&name, &PatchParams::default(), &time).await;
                let count = old.map_err(Error::request(Verb::Apply, &*title))?.count.unwrap_or(1) + 1;
                let count = Patch::Merge(json!({ "count": count }));
                let new = api.patch(&name, &PatchParams::default(), &count).await;
                new.map(drop).map_err(Error::request(Verb::Apply, title))
            }
            result => result.map(drop).map_err(Error::request(Verb::Create, title)),
        }
    }
}

/// Namespace of an object's events: by convention `default` for objects without one.
fn event_namespace(object: &ObjectRef) -> &str {
    if object.namespace.is_empty() { "default" } else { &object.namespace }
}

fn new_event(object: &ObjectRef, host: &str, reason: &str, message: &str) -> Event {
    let now = Some(Time(Timestamp::now()));
    let mut hasher = DefaultHasher::new();
    (&object.uid, host, reason, message).hash(&mut hasher);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:016x}", object.name, hasher.finish())),
            namespace: Some(event_namespace(object).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(object.api_version.to_owned()),
            kind: Some(object.kind.to_owned()),
            namespace: Some(object.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: Some(object.name.clone()),
            uid: Some(object.uid.clone()),
            ..ObjectReference::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        source: Some(EventSource { component: Some(MANAGER.to_owned()), host: Some(host.to_owned()) }),
        first_timestamp: now.clone(),
        last_timestamp: now,
        count: Some(1),
        ..Event::default()
    }
}
