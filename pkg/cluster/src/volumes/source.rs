//! What lies behind a volume, of a pod or of a `PersistentVolume`: both name it alike.

use serde::Deserialize;

/// The kinds that the kubelet itself mounts with rights over the host's kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    nfs: Option<Nfs>,
    iscsi: Option<Iscsi>,
    fc: Option<Fc>,
    rbd: Option<Rbd>,
    cephfs: Option<CephFs>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Nfs {
    server: String,
    path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Iscsi {
    target_portal: String,
    iqn: String,
    lun: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Fc {
    #[serde(rename = "targetWWNs")]
    targets: Vec<String>,
    wwids: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Rbd {
    monitors: Vec<String>,
    pool: String,
    image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CephFs {
    monitors: Vec<String>,
    path: String,
}

impl Source {
    /// What it is and where, for people; `None` for what works.
    pub(super) fn describe(&self) -> Option<String> {
        let nfs = self.nfs.as_ref().map(|v| format!("an NFS share ({}:{})", v.server, v.path));
        let iscsi =
            || self.iscsi.as_ref().map(|v| format!("an iSCSI disk ({}, {} lun {})", v.target_portal, v.iqn, v.lun));
        let fc = || {
            self.fc.as_ref().map(|v| format!("a Fibre Channel disk ({})", [&*v.targets, &*v.wwids].concat().join(", ")))
        };
        let rbd =
            || self.rbd.as_ref().map(|v| format!("a Ceph disk ({}, {}/{})", v.monitors.join(","), v.pool, v.image));
        let cephfs = || self.cephfs.as_ref().map(|v| format!("a CephFS folder ({}:{})", v.monitors.join(","), v.path));
        nfs.or_else(iscsi).or_else(fc).or_else(rbd).or_else(cephfs)
    }
}
