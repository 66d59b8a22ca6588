//! `status.loadBalancer` of Services: the addresses of the hosts, each of which publishes the port.

use super::follow::{Change, Table};
use super::objects::{Service, ServicePorts, service_resource};
use super::peers::watch_nodes;
use super::session::{broken, config, forever};
use super::{Policy, Update, wanted};
use crate::client::MANAGER;
use crate::{Cluster, Error, Verb};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::watcher;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use std::pin::pin;

/// A Service with the addresses that its status names now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Balanced {
    ports: ServicePorts,
    written: BTreeSet<IpAddr>,
}

enum Seen {
    Service(Change<Balanced>),
    Node(Change<BTreeSet<IpAddr>>),
}

/// Keeps the status of every Service of type LoadBalancer in line with the hosts. Never ends; drop it to stop.
///
/// A Service in conflict gets no address: kube-proxy would else take the port from its holder on every node.
/// `policy` says which ports no Service may have; its address does not matter here.
pub async fn write_load_balancers(
    kubeconfig: &Path,
    policy: &Policy,
    mut report: impl FnMut(Update<()>) + Send,
) -> Infallible {
    forever(kubeconfig, &mut report, async |cluster, say| session(&cluster, policy, say).await).await
}

async fn session(cluster: &Cluster, policy: &Policy, say: &mut (dyn FnMut(()) + Send)) -> Result<Infallible, Error> {
    let (mut services, mut nodes) = (Table::default(), Table::default());
    let api: Api<Service> = Api::all_with(cluster.client(), &service_resource());
    let watch_services = watcher(api, config()).map(|event| match event {
        Ok(event) => Ok(Seen::Service(Change::of(event, balanced))),
        Err(error) => Err(broken("Services", error)),
    });
    let watch_nodes = watch_nodes(cluster).map(|change| change.map(Seen::Node));
    let mut changes = pin!(stream::select(watch_services, watch_nodes));
    while let Some(change) = changes.next().await {
        match change? {
            Seen::Service(change) => services.change(change),
            Seen::Node(change) => nodes.change(change),
        }
        if services.complete && nodes.complete {
            say(());
            let hosts = nodes.rows.values().flatten().copied().collect();
            for (service, addresses) in due(&services.rows, &hosts, policy) {
                write(cluster, service, &addresses).await?;
            }
        }
    }
    unreachable!("watchers go on for ever")
}

fn balanced(service: &Service) -> Option<Balanced> {
    let ingress = service.status.iter().flat_map(|status| &status.load_balancer.ingress);
    let written = ingress.filter_map(|ingress| ingress.ip.parse().ok()).collect();
    Some(Balanced { ports: ServicePorts::of(service)?, written })
}

/// Services whose status has to change, with the addresses that it shall name.
fn due<'a>(
    services: &'a BTreeMap<String, Balanced>,
    hosts: &BTreeSet<IpAddr>,
    policy: &Policy,
) -> Vec<(&'a ServicePorts, BTreeSet<IpAddr>)> {
    let conflicts = wanted(services.values().map(|service| &service.ports), [], policy).conflicts;
    let in_conflict = |ports: &ServicePorts| conflicts.iter().any(|conflict| conflict.loser == ports.owner);
    let ours = services.values().filter(|service| service.ports.balanced);
    ours.map(|service| {
        let addresses = if in_conflict(&service.ports) { BTreeSet::new() } else { hosts.clone() };
        (service, addresses)
    })
    .filter(|(service, addresses)| service.written != *addresses)
    .map(|(service, addresses)| (&service.ports, addresses))
    .collect()
}

async fn write(cluster: &Cluster, service: &ServicePorts, addresses: &BTreeSet<IpAddr>) -> Result<(), Error> {
    let about = &service.owner.about;
    let ingress: Vec<_> = addresses.iter().map(|address| json!({ "ip": address, "ipMode": "VIP" })).collect();
    let patch = Patch::Merge(json!({ "status": { "loadBalancer": { "ingress": ingress } } }));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let api = cluster.namespaced::<core::Service>(&about.namespace);
    match api.patch_status(&about.name, &params, &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result
            .map(drop)
            .map_err(Error::request(Verb::Apply, format!("status of Service {}/{}", about.namespace, about.name))),
    }
}
