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

/// Takes out again what [`merge`] has laid over; `None` where nothing of it is there. A cluster of that name with another
/// CA is not ours.
pub fn take_out(theirs: &str, ours: &Kubeconfig) -> Result<Option<String>, KubeconfigError> {
    let mut root: Mapping = match serde_yaml::from_str(theirs).map_err(KubeconfigError::Parse)? {
        Value::Mapping(mapping) => mapping,
        _ => return Ok(None),
    };
    let Some(cluster) = ours.clusters.iter().flatten().next() else { return Ok(None) };
    let is_ours = |entry: &Value| {
        entry["name"] == cluster.name
            && entry["cluster"]["certificate-authority-data"].as_str()
                == cluster.cluster.certificate_authority_data.as_deref()
    };
    if !root.get("clusters").and_then(Value::as_sequence).is_some_and(|list| list.iter().any(is_ours)) {
        return Ok(None);
    }
    drop_named(&mut root, "clusters", ours.clusters.iter().flatten().map(|entry| &entry.name));
    drop_named(&mut root, "contexts", ours.contexts.iter().flatten().map(|entry| &entry.name));
    drop_named(&mut root, "users", ours.users.iter().flatten().map(|entry| &entry.name));
    if root.get("current-context").is_some_and(|current| *current == ours.current_context) {
        root.insert("current-context".into(), "".into());
    }
    serde_yaml::to_string(&root).map(Some).map_err(KubeconfigError::Parse)
}

fn drop_named<'a>(root: &mut Mapping, key: &str, names: impl Iterator<Item = &'a String>) {
    let names: Vec<_> = names.collect();
    if let Some(Value::Sequence(list)) = root.get_mut(key) {
        list.retain(|entry| !names.iter().any(|name| entry["name"] == **name));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::User;

    #[test]
    fn taken_out_it_is_as_before() {
        let ours =
            |ca: &str| Kubeconfig::new("usernetes-default", "https://198.51.100.11:6443", ca, "admin", User::default());
        let theirs = "apiVersion: v1
kind: Config
clusters: [{ name: work, cluster: { server: https://192.0.2.1 } }]
contexts: [{ name: work, context: { cluster: work, user: me } }]
users: [{ name: me, user: { token: t } }]
current-context: work
preferences: { colors: true }
";
        let merged = merge(theirs, &ours("CA")).expect("merged");
        let mut before: Mapping = serde_yaml::from_str(theirs).expect("YAML");
        before.insert("current-context".into(), "".into());
        let rest = take_out(&merged, &ours("CA")).expect("readable").expect("something");
        assert_eq!(serde_yaml::from_str::<Mapping>(&rest).expect("YAML"), before);
        // Another cluster of that name, a cluster that was never merged, and no file.
        for (text, ca) in [(merged.as_str(), "other CA"), (theirs, "CA"), ("", "CA")] {
            assert_eq!(take_out(text, &ours(ca)).expect("readable"), None);
        }
    }
}
