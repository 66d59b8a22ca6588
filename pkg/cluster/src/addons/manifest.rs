//! YAML documents as objects, and values put into them.

use crate::Error;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

/// Parses every document of a manifest.
pub(crate) fn parse(name: &'static str, text: &str) -> Result<Vec<DynamicObject>, Error> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| DynamicObject::deserialize(document).map_err(|error| wrong(name, error)))
        .collect()
}

/// Makes an object of a value.
pub(crate) fn object(name: &'static str, value: Value) -> Result<DynamicObject, Error> {
    serde_json::from_value(value).map_err(|error| wrong(name, error))
}

fn wrong(name: &'static str, error: impl std::fmt::Display) -> Error {
    Error::Manifest { name, message: error.to_string() }
}

/// The objects of a manifest, by kind.
pub(crate) struct Manifest {
    name: &'static str,
    objects: Vec<DynamicObject>,
}

impl Manifest {
    pub(crate) fn parse(name: &'static str, text: &str) -> Result<Self, Error> {
        Ok(Self { name, objects: parse(name, text)? })
    }

    /// Replaces the value at a JSON pointer of the one object of that kind; what is replaced has to be there.
    pub(crate) fn set(&mut self, kind: &str, pointer: &str, value: impl Into<Value>) -> Result<&mut Self, Error> {
        let missing = || wrong(self.name, format!("nothing to set at {pointer} of {kind}"));
        let of_kind = |object: &&mut DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == kind);
        let object = self.objects.iter_mut().find(of_kind).ok_or_else(missing)?;
        *object.data.pointer_mut(pointer).ok_or_else(missing)? = value.into();
        Ok(self)
    }

    /// The text at a JSON pointer of the one object of that kind.
    pub(crate) fn text(&self, kind: &str, pointer: &str) -> Result<&str, Error> {
        let of_kind = |object: &&DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == kind);
        let found = self.objects.iter().find(of_kind).and_then(|object| object.data.pointer(pointer)?.as_str());
        found.ok_or_else(|| wrong(self.name, format!("no text at {pointer} of {kind}")))
    }

    /// Sets a variable of the first container.
    pub(crate) fn set_env(&mut self, kind: &str, variable: &str, value: &str) -> Result<&mut Self, Error> {
        let list = "/spec/template/spec/containers/0/env";
        let named = |entry: &Value| entry["name"] == variable;
        let mut objects = self.objects.iter().filter(|o| o.types.as_ref().is_some_and(|types| types.kind == kind));
        let position = objects.find_map(|o| o.data.pointer(list)?.as_array()?.iter().position(named));
        let position = position.ok_or_else(|| wrong(self.name, format!("no variable {variable} in {kind}")))?;
        self.set(kind, &format!("{list}/{position}/value"), value)
    }

    pub(crate) fn into_objects(self) -> Vec<DynamicObject> {
        self.objects
    }
}

/// Image of the first container.
pub(crate) const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// All objects as YAML, for snapshots.
#[cfg(test)]
pub(crate) fn render(objects: &[DynamicObject]) -> String {
    let documents: Vec<_> = objects.iter().map(|object| serde_yaml::to_string(object).expect("string keys")).collect();
    documents.join("---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_there_is_an_error() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  b: c\n";
        let mut manifest = Manifest::parse("test", text).expect("YAML");
        assert!(manifest.set("ConfigMap", "/data/b", "d").is_ok());
        assert_eq!(manifest.text("ConfigMap", "/data/b").expect("just set"), "d");
        let message = |result: Result<&mut Manifest, Error>| result.err().map(|error| error.to_string());
        let wanted = "manifest test: nothing to set at /data/x of ConfigMap";
        assert_eq!(message(manifest.set("ConfigMap", "/data/x", "d")).as_deref(), Some(wanted));
        assert!(manifest.set("Secret", "/data/b", "d").is_err());
    }
}
