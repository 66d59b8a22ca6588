//! Our cluster in a user's own kubeconfig.

use super::{Kubeconfig, KubeconfigError};
use serde::Serialize;
use serde_yaml::{Mapping, Value};

/// Lays `ours` over the text of a user's kubeconfig (empty for none): replaces clusters, users and contexts of the same
/// names, keeps everything else, unknown fields included, and makes our context the current one.
pub fn merge(theirs: &str, ours: &Kubeconfig) -> Result<String, KubeconfigError> {
    let mut root: Mapping = match serde_yaml::from_str(theirs).map_err(KubeconfigError::Parse)? {
        Value::Null => Mapping::new(),
        Value::Mapping(mapping) => mapping,
        other => serde_yaml::from_value(other).map_err(KubeconfigError::Parse)?,
    };
    for (key, value) in [("apiVersion", &ours.api_version), ("kind", &ours.kind)] {
        root.entry(key.into()).or_insert_with(|| value.as_str().into());
    }
    lay_over(&mut root, ("clusters", "list of clusters"), ours.clusters.as_ref())?;
    lay_over(&mut root, ("contexts", "list of contexts"), ours.contexts.as_ref())?;
    lay_over(&mut root, ("users", "list of users"), ours.users.as_ref())?;
    root.insert("current-context".into(), ours.current_context.as_str().into());
    serde_yaml::to_string(&root).map_err(KubeconfigError::Parse)
}

fn lay_over<T: Serialize>(
    root: &mut Mapping,
    (key, what): (&str, &'static str),
    ours: Option<&Vec<T>>,
) -> Result<(), KubeconfigError> {
    let list = root.entry(key.into()).or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Sequence(Vec::new());
    }
    let Value::Sequence(list) = list else {
        return Err(KubeconfigError::Missing(what));
    };
    for entry in ours.into_iter().flatten() {
        let entry = serde_yaml::to_value(entry).map_err(KubeconfigError::Parse)?;
        match list.iter_mut().find(|old| old.get("name") == entry.get("name")) {
            Some(old) => *old = entry,
            None => list.push(entry),
        }
    }
    Ok(())
}
