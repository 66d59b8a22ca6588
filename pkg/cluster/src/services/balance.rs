//! `status.loadBalancer` of Services: the addresses of the hosts, each of which publishes the port.

use super::follow::{Change, Table};
use super::objects::{Service, ServicePorts, service_resource};
use super::peers::watch_nodes;
use super::session::{broken, config, forever, of_one_object, with_ticks};
use super::{Policy, Update, wanted};
use crate::client::MANAGER;
use crate::{Cluster, Error, Involved, Verb};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::watcher;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;

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
    mut report: impl FnMut(Update<()>),
) -> Infallible {
    forever(kubeconfig, &mut report, |cluster| {
        let writer = cluster.clone();
        let write = move |due: Result<Vec<Due>, Error>| {
            let cluster = writer.clone();
            async move {
                for due in due? {
                    of_one_object(write(&cluster, &due).await)?;
                }
                Ok(())
            }
        };
        all_due(cluster, policy.clone()).then(write).boxed()
    })
    .await
}

/// What has to be written after each change and now and then, as soon as everything was heard of once.
fn all_due(cluster: &Cluster, policy: Policy) -> impl Stream<Item = Result<Vec<Due>, Error>> + use<> {
    let (mut services, mut nodes) = (Table::default(), Table::default());
    let api: Api<Service> = Api::all_with(cluster.client(), &service_resource());
    let watch_services = watcher(api, config()).map(|event| match event {
        Ok(event) => Ok(Seen::Service(Change::of(event, balanced))),
        Err(error) => Err(broken("Services", error)),
    });
    let watch_nodes = watch_nodes(cluster).map(|change| change.map(Seen::Node));
    with_ticks(stream::select(watch_services, watch_nodes)).filter_map(move |change| {
        let change = change.transpose().map(|change| match change {
            Some(Seen::Service(change)) => services.change(change),
            Some(Seen::Node(change)) => nodes.change(change),
            None => (),
        });
        let hosts = || nodes.rows.values().flatten().copied().collect();
        let state = || due(&services.rows, &hosts(), &policy);
        ready(change.map(|()| (services.complete && nodes.complete).then(state)).transpose())
    })
}

fn balanced(service: &Service) -> Option<Balanced> {
    let ingress = service.status.iter().flat_map(|status| &status.load_balancer.ingress);
    let written = ingress.filter_map(|ingress| ingress.ip.parse().ok()).collect();
    Some(Balanced { ports: ServicePorts::of(service)?, written })
}

/// A status that has to change, and the addresses that it shall name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    about: Involved,
    addresses: BTreeSet<IpAddr>,
}

fn due(services: &BTreeMap<String, Balanced>, hosts: &BTreeSet<IpAddr>, policy: &Policy) -> Vec<Due> {
    let conflicts = wanted(services.values().map(|service| &service.ports), [], policy).conflicts;
    let in_conflict = |ports: &ServicePorts| conflicts.iter().any(|conflict| conflict.loser == ports.owner);
    let mut all = Vec::new();
    for service in services.values().filter(|service| service.ports.balanced) {
        let addresses = if in_conflict(&service.ports) { BTreeSet::new() } else { hosts.clone() };
        if service.written != addresses {
            all.push(Due { about: service.ports.owner.about.clone(), addresses });
        }
    }
    all
}

async fn write(cluster: &Cluster, Due { about, addresses }: &Due) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::super::{Owner, ServicePort};
    use super::*;
    use usernetes_api::Protocol;

    fn service(name: &str, port: u16, written: &[&str]) -> (String, Balanced) {
        let about =
            Involved { api_version: "v1", kind: "Service", namespace: "a".into(), name: name.into(), uid: name.into() };
        let ports = vec![ServicePort { protocol: Protocol::Tcp, port, node_port: None }];
        let owner = Owner { since: jiff::Timestamp::UNIX_EPOCH, about };
        let ports = ServicePorts { owner, local_only: false, balanced: true, ports, health_check: None };
        let written = written.iter().map(|a| a.parse().expect("an address")).collect();
        (name.to_owned(), Balanced { ports, written })
    }

    #[test]
    fn addresses_come_and_go() {
        let (one, two) = ("198.51.100.11", "198.51.100.12");
        let services = BTreeMap::from([
            service("a-new", 80, &[]),
            service("b-right", 81, &[one, two]),
            service("c-old-host", 82, &[one, "198.51.100.13"]),
            service("d-conflict", 80, &[one]),
            service("e-reserved", 6443, &[]),
        ]);
        let hosts: BTreeSet<IpAddr> = [one, two].map(|a| a.parse().expect("an address")).into();
        let policy = Policy {
            host_ip: one.parse().expect("an address"),
            loopback: false,
            reserved: [(Protocol::Tcp, 6443)].into(),
            shift: None,
        };
        let due: Vec<_> =
            due(&services, &hosts, &policy).into_iter().map(|d| (d.about.name, d.addresses.len())).collect();
        assert_eq!(due, [("a-new".to_owned(), 2), ("c-old-host".to_owned(), 2), ("d-conflict".to_owned(), 0)]);
    }
}
