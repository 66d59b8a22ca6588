//! Roles and bindings, as manifests.

use crate::addons::manifest;
use crate::{Cluster, Error};
use kube::api::DynamicObject;

/// Group of every kubelet.
pub const SYSTEM_NODES: &str = "system:nodes";

const BOOTSTRAP: &str = include_str!("../../../../manifests/rbac-bootstrap.yaml");
const ADMINS: &str = include_str!("../../../../manifests/rbac-admins.yaml");
const CONFIG: &str = include_str!("../../../../manifests/rbac-config.yaml");

impl Cluster {
    /// Applies the rights of kubelets, of the API server and of bootstrap tokens: phase `bootstrap-token`.
    pub async fn apply_bootstrap_rbac(&self) -> Result<(), Error> {
        self.apply(&manifest::parse_objects("rbac-bootstrap", BOOTSTRAP)?).await
    }
}

pub(crate) fn read_admins() -> Result<Vec<DynamicObject>, Error> {
    manifest::parse_objects("rbac-admins", ADMINS)
}

pub(crate) fn read_config() -> Result<Vec<DynamicObject>, Error> {
    manifest::parse_objects("rbac-config", CONFIG)
}
