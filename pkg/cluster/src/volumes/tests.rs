use super::*;
use serde_json::{Value, json};

fn pod(volumes: &Value, phase: &str) -> Option<PendingPod> {
    let value = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "namespace": "b", "uid": "c" },
        "spec": { "volumes": volumes, "containers": [] }, "status": { "phase": phase },
    });
    PendingPod::from_pod(&serde_json::from_value(value).expect("a Pod"))
}

#[test]
fn unmountable_volumes_are_named() {
    let volumes = json!([
        { "name": "share", "nfs": { "server": "nas.example", "path": "/export", "readOnly": true } },
        { "name": "disk", "iscsi": { "targetPortal": "192.0.2.7:3260", "iqn": "iqn.2001-04.example:disk", "lun": 1 } },
        { "name": "light", "fc": { "targetWWNs": ["500a"], "lun": 2 } },
        { "name": "block", "rbd": { "monitors": ["m1:6789", "m2:6789"], "image": "i", "pool": "p" } },
        { "name": "tree", "cephfs": { "monitors": ["m1"], "path": "/x" } },
        { "name": "here", "emptyDir": {} },
        { "name": "settings", "configMap": { "name": "settings" } },
    ]);
    let messages: Vec<_> = pod(&volumes, "Pending")
        .expect("a pending pod")
        .unmountable
        .iter()
        .map(|(_, problem)| problem.clone())
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @"
    volume share is an NFS share (nas.example:/export), which only the host's administrator can mount, not this rootless node: have it mounted on the host and use a hostPath or local volume of that directory
    volume disk is an iSCSI disk (192.0.2.7:3260, iqn.2001-04.example:disk lun 1), which only the host's administrator can mount, not this rootless node: have it mounted on the host and use a hostPath or local volume of that directory
    volume light is a Fibre Channel disk (500a), which only the host's administrator can mount, not this rootless node: have it mounted on the host and use a hostPath or local volume of that directory
    volume block is a Ceph disk (m1:6789,m2:6789, p/i), which only the host's administrator can mount, not this rootless node: have it mounted on the host and use a hostPath or local volume of that directory
    volume tree is a CephFS directory (m1:/x), which only the host's administrator can mount, not this rootless node: have it mounted on the host and use a hostPath or local volume of that directory
    ");
}

#[test]
fn claims_are_resolved() {
    let volumes = json!([
        { "name": "data", "persistentVolumeClaim": { "claimName": "kept" } },
        { "name": "scratch", "ephemeral": { "volumeClaimTemplate": { "spec": {} } } },
    ]);
    let claims = pod(&volumes, "").expect("a pending pod").claims;
    let names: Vec<_> = claims.iter().map(|(volume, claim)| format!("{volume} {claim}")).collect();
    assert_eq!(names, ["data kept", "scratch a-scratch"]);
    let volume: Source =
        serde_json::from_value(json!({ "capacity": { "storage": "1Gi" }, "nfs": { "server": "s", "path": "/" } }))
            .expect("a spec");
    assert!(volume.describe_problem("v").is_some_and(|problem| problem.starts_with("volume v is an NFS share (s:/)")));
}

#[test]
fn other_pods_are_skipped() {
    assert_eq!(pod(&json!([{ "name": "share", "nfs": { "server": "s", "path": "/" } }]), "Running"), None);
    assert_eq!(pod(&json!([{ "name": "here", "emptyDir": {} }]), "Pending"), None);
    assert_eq!(pod(&json!([]), "Pending"), None);
}
