//! The table of components: a row each, in start order.
//!
//! A new component is a row here and its constructor in [`super::control_plane`] or [`super::worker`].

use super::{Component, control_plane, extra, worker};
use crate::NodePlan;
use crate::component::Extra;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use usernetes_api::Config;

/// Makes [`ComponentName`] and what depends on it from rows of variant, name, constructor and source of extra arguments.
macro_rules! component_table {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $constructor:path, $extra:path;)*) => {
        /// Name of a process that the child supervises; the order is the start order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ComponentName {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ComponentName {
            /// All components, in start order.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Name of the component, in most cases that of its program.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The component as this node runs it, `None` if the node does not run it.
            pub(super) fn build(self, plan: &NodePlan) -> Option<Component> {
                match self {
                    $(Self::$variant => $constructor(plan),)*
                }
            }

            /// Extra arguments and variables that the user's documents give the component.
            pub(super) fn extra(self, config: &Config) -> Extra {
                match self {
                    $(Self::$variant => $extra(config),)*
                }
            }
        }
    };
}

component_table! {
    /// etcd.
    Etcd, "etcd", control_plane::etcd, extra::etcd;
    /// kube-apiserver.
    KubeApiserver, "kube-apiserver", control_plane::api_server, extra::api_server;
    /// containerd's proxy snapshotter for fuse-overlayfs, if that snapshotter is selected.
    FuseOverlayfs, "fuse-overlayfs", worker::fuse_overlayfs, extra::none;
    /// containerd.
    Containerd, "containerd", worker::containerd, extra::none;
    /// CRI-O, instead of containerd.
    Crio, "crio", worker::crio, extra::none;
    /// kubelet.
    Kubelet, "kubelet", worker::kubelet, extra::kubelet;
    /// kube-controller-manager.
    KubeControllerManager, "kube-controller-manager", control_plane::controller_manager, extra::controller_manager;
    /// kube-scheduler.
    KubeScheduler, "kube-scheduler", control_plane::scheduler, extra::scheduler;
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ComponentName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown component {text:?}; known are {known}")
        })
    }
}
