//! How the administrator of `admin.conf` gets its rights.

use super::rbac;
use crate::{Cluster, Error};
use std::path::Path;

/// Binds the group of `admin.conf` to `cluster-admin` and returns the connection of `admin.conf`.
///
/// The group has no rights in a new cluster; `super-admin.conf`, whose group the API server knows by itself, is asked
/// only then, as kubeadm does.
pub async fn ensure_cluster_admins(admin_conf: &Path, super_admin_conf: &Path) -> Result<Cluster, Error> {
    let admin = Cluster::connect(admin_conf).await?;
    let objects = rbac::admins()?;
    match admin.apply(&objects).await {
        Err(error) if error.is_forbidden() => {
            Cluster::connect(super_admin_conf).await?.apply(&objects).await?;
        }
        result => result?,
    }
    Ok(admin)
}
