//! Conversion of `kubeadm.k8s.io/v1beta3`, as kubeadm does it.

use crate::Duration;
use serde_yaml::{Mapping, Value};

/// The version that is converted.
pub(super) const VERSION: &str = "kubeadm.k8s.io/v1beta3";

/// Mappings of flags that are lists in v1beta4.
const ARGUMENTS: [&[&str]; 5] = [
    &["apiServer", "extraArgs"],
    &["controllerManager", "extraArgs"],
    &["scheduler", "extraArgs"],
    &["etcd", "local", "extraArgs"],
    &["nodeRegistration", "kubeletExtraArgs"],
];

/// Whether a document is one of this version.
pub(super) fn is_known(api_version: &str, kind: &str) -> bool {
    api_version == VERSION && matches!(kind, "InitConfiguration" | "ClusterConfiguration" | "JoinConfiguration")
}

/// The same fields in v1beta4, and the limit that belongs to `InitConfiguration` there.
pub(super) fn convert(kind: &str, mut fields: Mapping) -> (Mapping, Option<Duration>) {
    for path in ARGUMENTS {
        if let Some(arguments) = find_field(&mut fields, path) {
            *arguments = list_arguments(arguments);
        }
    }
    let limit = take_field(&mut fields, "apiServer", "timeoutForControlPlane");
    let limit = limit.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok());
    if kind == "JoinConfiguration"
        && let Some(timeout) = take_field(&mut fields, "discovery", "timeout")
    {
        fields.insert("timeouts".into(), Mapping::from_iter([("discovery".into(), timeout)]).into());
    }
    (fields, limit)
}

fn find_field<'a>(fields: &'a mut Mapping, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(fields.get_mut(first)?, |value, name| value.get_mut(name))
}

fn take_field(fields: &mut Mapping, parent: &str, name: &str) -> Option<Value> {
    fields.get_mut(parent)?.as_mapping_mut()?.remove(name)
}

/// Flags by name, as kubeadm orders them.
fn list_arguments(arguments: &Value) -> Value {
    let Value::Mapping(arguments) = arguments else { return arguments.clone() };
    let mut list: Vec<(&str, &Value)> =
        arguments.iter().filter_map(|(name, value)| Some((name.as_str()?, value))).collect();
    list.sort_by_key(|(name, _)| *name);
    let items = list.into_iter().map(|(name, value)| {
        Value::from(Mapping::from_iter([("name".into(), name.into()), ("value".into(), value.clone())]))
    });
    items.collect::<Vec<_>>().into()
}
