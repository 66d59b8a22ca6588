//! Ports that a host publishes for the cluster: those of NodePorts, LoadBalancers and hostPorts.
//!
//! [`follow_desired_ports`] runs for as long as the node does, inside its PID 1, so it keeps of each object only what ports
//! need. It reports the ports; it opens none.

mod claims;
mod objects;
mod policy;
mod raw;

pub use claims::{Conflict, DesiredPorts, PublishedPort, Refusal, assign_ports};
pub use objects::{Exposure, Owner, PodPorts, ServicePort, ServicePorts};
pub use policy::Policy;
pub(crate) use raw::{Service, service_resource};

use crate::watch::{Change, Update, join_tables, page_config, watch_changes, watch_node_pods, watch_reconnecting};
use crate::{Cluster, Error};
use futures::{Stream, StreamExt, stream};
use kube::Api;
use std::convert::Infallible;
use std::path::Path;

/// Reports the ports that this host shall publish, at once and after every change. Never ends; drop it to stop.
///
/// `kubeconfig` is the kubelet's: it may list Services and the pods of its own node.
pub async fn follow_desired_ports(
    kubeconfig: &Path,
    node: &str,
    policy: &Policy,
    mut report: impl FnMut(Update<DesiredPorts>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, |cluster| {
        join_tables(watch_services(&cluster), watch_pods(&cluster, node), stream::empty(), |services, pods| {
            assign_ports(services.values(), pods.values(), policy)
        })
        .boxed()
    })
    .await
}

fn watch_services(cluster: &Cluster) -> impl Stream<Item = Result<Change<ServicePorts>, Error>> + use<> {
    let api: Api<Service> = Api::all_with(cluster.client(), &service_resource());
    watch_changes(api, page_config(), "Services", ServicePorts::from_service)
}

fn watch_pods(cluster: &Cluster, node: &str) -> impl Stream<Item = Result<Change<PodPorts>, Error>> + use<> {
    watch_node_pods(cluster, node, PodPorts::from_pod)
}
