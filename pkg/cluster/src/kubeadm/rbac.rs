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
    /// What kubelets, the API server and holders of bootstrap tokens may do: phase `bootstrap-token`.
    pub async fn apply_bootstrap_rbac(&self) -> Result<(), Error> {
        self.apply(&bootstrap()?).await
    }
}

pub(crate) fn bootstrap() -> Result<Vec<DynamicObject>, Error> {
    manifest::parse("rbac-bootstrap", BOOTSTRAP)
}

pub(crate) fn admins() -> Result<Vec<DynamicObject>, Error> {
    manifest::parse("rbac-admins", ADMINS)
}

pub(crate) fn config() -> Result<Vec<DynamicObject>, Error> {
    manifest::parse("rbac-config", CONFIG)
}
