//! The cgroup of a container of CRI-O, which names none in rootless mode: the runtime would make one beside the pod's, and
//! limits of the pod would not hold.

use serde_json::Value;
use std::path::Path;

/// Annotations that CRI-O puts into every `config.json`.
const CONTAINER_ID: &str = "io.kubernetes.cri-o.ContainerID";
const LABELS: &str = "io.kubernetes.cri-o.Labels";
/// Label of the kubelet.
const POD_UID: &str = "io.kubernetes.pod.uid";
/// Where the kubelet's cgroupfs driver makes the cgroups of pods, by class of service.
const PARENTS: [&str; 3] = ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"];

/// Sets `linux.cgroupsPath` where CRI-O left it empty and the kubelet has made the pod's cgroup below `root`. The name of the
/// container's is the one by which CRI-O looks for its statistics.
pub(super) fn name_cgroup(spec: &mut Value, root: &Path) {
    if spec["linux"]["cgroupsPath"].as_str().is_some_and(|path| !path.is_empty()) {
        return;
    }
    let Some(path) = find_path(&spec["annotations"], root) else { return };
    if let Some(linux) = spec.get_mut("linux").and_then(Value::as_object_mut) {
        linux.insert("cgroupsPath".to_owned(), path.into());
    }
}

fn find_path(annotations: &Value, root: &Path) -> Option<String> {
    let id = annotations[CONTAINER_ID].as_str().filter(|id| is_name(id))?;
    let labels: Value = serde_json::from_str(annotations[LABELS].as_str()?).ok()?;
    let uid = labels[POD_UID].as_str().filter(|uid| is_name(uid))?;
    let pods = PARENTS.iter().map(|parent| format!("{parent}/pod{uid}"));
    let pod = pods.into_iter().find(|pod| root.join(pod.trim_start_matches('/')).is_dir())?;
    Some(format!("{pod}/crio-{id}"))
}

/// Neither leads out of the pod's cgroup.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(uid: &str, path: &str) -> Value {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(root.path().join("kubepods/burstable/podaa-11")).expect("made");
        let labels = json!({ POD_UID: uid }).to_string();
        let mut spec = json!({
            "annotations": { CONTAINER_ID: "c0ffee", LABELS: labels }, "linux": { "cgroupsPath": path },
        });
        name_cgroup(&mut spec, root.path());
        spec["linux"]["cgroupsPath"].clone()
    }

    #[test]
    fn it_is_in_the_cgroup_of_the_pod() {
        assert_eq!(named("aa-11", ""), "/kubepods/burstable/podaa-11/crio-c0ffee");
        assert_eq!(named("aa-11", "/set"), "/set");
        assert_eq!(named("bb-22", ""), "", "no such pod");
        assert_eq!(named("../../burstable/podaa-11", ""), "");
    }
}
