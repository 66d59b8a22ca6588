//! The rights of the user in `admin.conf`.

use super::rbac;
use crate::{Cluster, Error};
use kube::api::DynamicObject;
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longest time until the authorizer knows of a binding.
const EFFECT_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two requests that show whether it does.
const PAUSE: Duration = Duration::from_millis(10);

/// Binds the group of `admin.conf` to `cluster-admin` and returns the client of `admin.conf`.
///
/// The group has no rights in a new cluster. Only then `super-admin.conf` is used, whose group the API server itself grants all
/// rights, as kubeadm does.
pub async fn ensure_cluster_admins(admin_conf: &Path, super_admin_conf: &Path) -> Result<Cluster, Error> {
    let admin = Cluster::connect(admin_conf).await?;
    let objects = rbac::read_admins()?;
    match admin.apply(&objects).await {
        Err(error) if error.is_forbidden() => {
            Cluster::connect(super_admin_conf).await?.apply(&objects).await?;
            timeout(EFFECT_LIMIT, wait_allowed(&admin, &objects)).await.unwrap_or(Err(error))?;
        }
        result => result?,
    }
    Ok(admin)
}

/// Waits until the binding is in effect. The authorizer reads it by a watch, some milliseconds later.
async fn wait_allowed(admin: &Cluster, objects: &[DynamicObject]) -> Result<(), Error> {
    loop {
        match admin.apply(objects).await {
            Err(error) if error.is_forbidden() => sleep(PAUSE).await,
            result => return result,
        }
    }
}
