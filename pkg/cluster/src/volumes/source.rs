//! The source of a volume, of a pod or of a `PersistentVolume`: both have the same fields.

use super::host_path::HostPath;
use serde::Deserialize;

/// The kinds that the kubelet itself mounts, with the rights of root in the initial user namespace, and paths of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    host_path: Option<HostPath>,
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
    /// Why a node cannot mount it as this volume; `None` where nothing is known against it.
    pub(super) fn describe_problem(&self, volume: &str) -> Option<String> {
        let mounted = self.describe().map(|what| {
            format!(
                "volume {volume} is {what}, which only the host's administrator can mount, not this rootless node: \
                 have it mounted on the host and use a hostPath or local volume of that directory"
            )
        });
        mounted.or_else(|| Some(format!("volume {volume}: {}", self.host_path.as_ref()?.describe_obstacle()?)))
    }

    /// Kind and location of a source that a rootless node cannot mount; `None` for any other.
    fn describe(&self) -> Option<String> {
        if let Some(Nfs { server, path }) = &self.nfs {
            Some(format!("an NFS share ({server}:{path})"))
        } else if let Some(Iscsi { target_portal, iqn, lun }) = &self.iscsi {
            Some(format!("an iSCSI disk ({target_portal}, {iqn} lun {lun})"))
        } else if let Some(Fc { targets, wwids }) = &self.fc {
            Some(format!("a Fibre Channel disk ({})", [&**targets, &**wwids].concat().join(", ")))
        } else if let Some(Rbd { monitors, pool, image }) = &self.rbd {
            Some(format!("a Ceph disk ({}, {pool}/{image})", monitors.join(",")))
        } else if let Some(CephFs { monitors, path }) = &self.cephfs {
            Some(format!("a CephFS directory ({}:{path})", monitors.join(",")))
        } else {
            None
        }
    }
}
