//! YAML documents as objects, and values set in them.

use crate::Error;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde_json::Value;
use usernetes_pki::Endpoint;

/// Parses every document of a manifest.
pub(crate) fn parse_objects(name: &'static str, text: &str) -> Result<Vec<DynamicObject>, Error> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| DynamicObject::deserialize(document).map_err(|error| manifest_error(name, error)))
        .collect()
}

/// A value as an object.
pub(crate) fn to_object(name: &'static str, value: Value) -> Result<DynamicObject, Error> {
    serde_json::from_value(value).map_err(|error| manifest_error(name, error))
}

fn manifest_error(name: &'static str, error: impl std::fmt::Display) -> Error {
    Error::Manifest { name, message: error.to_string() }
}

/// The objects of a manifest, by kind.
pub(crate) struct Manifest {
    name: &'static str,
    objects: Vec<DynamicObject>,
}

impl Manifest {
    pub(crate) fn parse(name: &'static str, text: &str) -> Result<Self, Error> {
        Ok(Self { name, objects: parse_objects(name, text)? })
    }

    /// Replaces the value at a JSON pointer of the one object of that kind; there has to be one.
    pub(crate) fn set(&mut self, kind: &str, pointer: &str, value: impl Into<Value>) -> Result<&mut Self, Error> {
        let missing = || manifest_error(self.name, format!("nothing to set at {pointer} of {kind}"));
        let object = self.objects.iter_mut().find(|object| has_kind(object, kind)).ok_or_else(missing)?;
        *object.data.pointer_mut(pointer).ok_or_else(missing)? = value.into();
        Ok(self)
    }

    /// The text at a JSON pointer of the one object of that kind.
    pub(crate) fn text(&self, kind: &str, pointer: &str) -> Result<&str, Error> {
        let found = self
            .objects
            .iter()
            .find(|object| has_kind(object, kind))
            .and_then(|object| object.data.pointer(pointer)?.as_str());
        found.ok_or_else(|| manifest_error(self.name, format!("no text at {pointer} of {kind}")))
    }

    /// Sets the variables by which the first container finds the API server: the address of the Service `kubernetes` does
    /// not work before kube-proxy does.
    pub(crate) fn set_endpoint(&mut self, kind: &str, endpoint: &Endpoint) -> Result<&mut Self, Error> {
        self.set_env(kind, "KUBERNETES_SERVICE_HOST", &endpoint.host)?;
        self.set_env(kind, "KUBERNETES_SERVICE_PORT", &endpoint.port.to_string())
    }

    fn set_env(&mut self, kind: &str, variable: &str, value: &str) -> Result<&mut Self, Error> {
        let list = "/spec/template/spec/containers/0/env";
        let mut objects = self.objects.iter().filter(|object| has_kind(object, kind));
        let position =
            objects.find_map(|o| o.data.pointer(list)?.as_array()?.iter().position(|entry| entry["name"] == variable));
        let position =
            position.ok_or_else(|| manifest_error(self.name, format!("no variable {variable} in {kind}")))?;
        self.set(kind, &format!("{list}/{position}/value"), value)
    }

    pub(crate) fn into_objects(self) -> Vec<DynamicObject> {
        self.objects
    }
}

fn has_kind(object: &DynamicObject, kind: &str) -> bool {
    object.types.as_ref().is_some_and(|types| types.kind == kind)
}

/// Image of the first container.
pub(crate) const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// All objects as YAML, for snapshots.
#[cfg(test)]
pub(crate) fn to_yaml(objects: &[DynamicObject]) -> String {
    let documents: Vec<_> = objects.iter().map(|object| serde_yaml::to_string(object).expect("string keys")).collect();
    documents.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_is_an_error() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  b: c\n";
        let mut manifest = Manifest::parse("test", text).expect("YAML");
        assert!(manifest.set("ConfigMap", "/data/b", "d").is_ok());
        assert_eq!(manifest.text("ConfigMap", "/data/b").expect("just set"), "d");
        let missing = manifest.set("ConfigMap", "/data/x", "d").map(|_| ()).expect_err("no such key").to_string();
        assert_eq!(missing, "manifest test: nothing to set at /data/x of ConfigMap");
        assert!(manifest.set("Secret", "/data/b", "d").is_err());
    }
}
