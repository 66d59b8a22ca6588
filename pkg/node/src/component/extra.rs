//! Extra arguments and variables of components, from kubeadm's documents.

use super::ComponentName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use usernetes_api::{Arg, Config, EnvVar};

/// Extra arguments and environment variables of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extra {
    /// Arguments; one replaces the default argument of the same name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub envs: Vec<EnvVar>,
}

impl Extra {
    fn new(args: &[Arg], envs: &[EnvVar]) -> Self {
        Self { args: args.to_vec(), envs: envs.to_vec() }
    }
}

/// The extras of all components that have any.
pub(crate) fn collect_extras(config: &Config) -> BTreeMap<ComponentName, Extra> {
    let extras = ComponentName::ALL.map(|name| (name, name.extra(config)));
    extras.into_iter().filter(|(_, extra)| *extra != Extra::default()).collect()
}

/// `etcd.local` of `ClusterConfiguration`.
pub(super) fn etcd(config: &Config) -> Extra {
    Extra::new(&config.cluster.etcd.local.extra_args, &config.cluster.etcd.local.extra_envs)
}

/// `apiServer` of `ClusterConfiguration`.
pub(super) fn api_server(config: &Config) -> Extra {
    Extra::new(&config.cluster.api_server.extra_args, &config.cluster.api_server.extra_envs)
}

/// `controllerManager` of `ClusterConfiguration`.
pub(super) fn controller_manager(config: &Config) -> Extra {
    Extra::new(&config.cluster.controller_manager.extra_args, &config.cluster.controller_manager.extra_envs)
}

/// `scheduler` of `ClusterConfiguration`.
pub(super) fn scheduler(config: &Config) -> Extra {
    Extra::new(&config.cluster.scheduler.extra_args, &config.cluster.scheduler.extra_envs)
}

/// `nodeRegistration.kubeletExtraArgs` of `InitConfiguration` or `JoinConfiguration`.
pub(super) fn kubelet(config: &Config) -> Extra {
    Extra::new(&config.node_registration().kubelet_extra_args, &[])
}

/// For components that kubeadm's documents do not know.
pub(super) fn none(_: &Config) -> Extra {
    Extra::default()
}
