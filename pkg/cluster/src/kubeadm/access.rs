//! How the administrator of `admin.conf` gets its rights.

use super::rbac;
use crate::{Cluster, Error};
use kube::api::DynamicObject;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long an authorizer may take to hear of a binding.
const KNOWN: Duration = Duration::from_secs(10);
/// Between two requests that show whether it has.
const PAUSE: Duration = Duration::from_millis(10);

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
            timeout(KNOWN, known(&admin, &objects)).await.unwrap_or(Err(error))?;
        }
        result => result?,
    }
    Ok(admin)
}

/// The authorizer hears of the binding by a watch of its own, some milliseconds later; only a request shows when.
async fn known(admin: &Cluster, objects: &[DynamicObject]) -> Result<(), Error> {
    loop {
        match admin.apply(objects).await {
            Err(error) if error.is_forbidden() => sleep(PAUSE).await,
            result => return result,
        }
    }
}
