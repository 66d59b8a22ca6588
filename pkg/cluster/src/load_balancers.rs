//! `status.loadBalancer` of Services: the addresses of the hosts, each of which publishes the port.
//!
//! One writer in the cluster, on a control-plane host.

use crate::client::patch_params;
use crate::host_ports::{Policy, Service, ServicePorts, assign_ports, service_resource};
use crate::nodes::{Addresses, watch_internal_addresses};
use crate::watch::{
    Change, Rows, Update, join_tables, page_config, skip_object_error, ticks, watch_changes, watch_reconnecting,
};
use crate::{Cluster, Error, ObjectRef, Verb};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::Patch;
use serde_json::json;
use std::convert::Infallible;
use std::path::Path;
use usernetes_api::PublishSelection;

/// A Service of type LoadBalancer or NodePort, with the addresses in its status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BalancedService {
    ports: ServicePorts,
    written: Addresses,
}

/// A status that has to change, and its new addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StatusChange {
    object: ObjectRef,
    addresses: Addresses,
}

/// Keeps the status of every Service of type LoadBalancer in line with the hosts. Never ends; drop it to stop.
///
/// A Service whose port another object has gets no address: with one, kube-proxy on every node would send the other's
/// traffic to it. `policy` says which ports no Service may have; its address does not matter here.
pub async fn write_load_balancers(
    kubeconfig: &Path,
    policy: &Policy,
    mut report: impl FnMut(Update<()>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, |cluster| {
        let changes =
            join_tables(watch_services(&cluster), watch_internal_addresses(&cluster), ticks(), |services, nodes| {
                outdated_statuses(services, nodes, policy)
            });
        changes.then(move |changes| write_statuses(cluster.clone(), changes)).boxed()
    })
    .await
}

fn watch_services(cluster: &Cluster) -> impl Stream<Item = Result<Change<BalancedService>, Error>> + use<> {
    let api: Api<Service> = Api::all_with(cluster.client(), &service_resource());
    watch_changes(api, page_config(), "Services", BalancedService::from_service)
}

impl BalancedService {
    fn from_service(service: &Service) -> Option<Self> {
        let ingress = service.status.iter().flat_map(|status| &status.load_balancer.ingress);
        let written = ingress.filter_map(|ingress| ingress.ip.parse().ok()).collect();
        Some(Self { ports: ServicePorts::from_service(service)?, written })
    }
}

fn outdated_statuses(services: &Rows<BalancedService>, nodes: &Rows<Addresses>, policy: &Policy) -> Vec<StatusChange> {
    let hosts: Addresses = nodes.values().flatten().copied().collect();
    let conflicts = assign_ports(services.values().map(|service| &service.ports), [], policy).conflicts;
    // Then this host publishes no port of a LoadBalancer.
    let unpublished = policy.options.publish != PublishSelection::All;
    let mut changes = Vec::new();
    for BalancedService { ports, written } in services.values().filter(|service| service.ports.balanced) {
        let in_conflict = conflicts.iter().any(|conflict| conflict.loser == ports.owner);
        let addresses = if unpublished || in_conflict { Addresses::new() } else { hosts.clone() };
        if *written != addresses {
            changes.push(StatusChange { object: ports.owner.object.clone(), addresses });
        }
    }
    changes
}

async fn write_statuses(cluster: Cluster, changes: Result<Vec<StatusChange>, Error>) -> Result<(), Error> {
    for change in changes? {
        skip_object_error(write_status(&cluster, &change).await)?;
    }
    Ok(())
}

async fn write_status(cluster: &Cluster, StatusChange { object, addresses }: &StatusChange) -> Result<(), Error> {
    let ingress: Vec<_> = addresses.iter().map(|address| json!({ "ip": address, "ipMode": "VIP" })).collect();
    let patch = Patch::Merge(json!({ "status": { "loadBalancer": { "ingress": ingress } } }));
    let service = format!("{}/{}", object.namespace, object.name);
    let api = cluster.namespaced::<core::Service>(&object.namespace);
    match api.patch_status(&object.name, &patch_params(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        result => {
            result.map_err(Error::request(Verb::Apply, format!("status of Service {service}")))?;
            tracing::info!(service, ?addresses, "LoadBalancer status written");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_ports::{Owner, ServicePort};
    use std::net::IpAddr;
    use usernetes_api::{PortOptions, Protocol, ReservedPorts};

    fn service(name: &str, port: u16, written: &[&str]) -> (String, BalancedService) {
        let object = ObjectRef {
            api_version: "v1",
            kind: "Service",
            namespace: "a".into(),
            name: name.into(),
            uid: name.into(),
        };
        let ports = vec![ServicePort { protocol: Protocol::Tcp, port, node_port: None }];
        let owner = Owner { since: jiff::Timestamp::UNIX_EPOCH, object };
        let ports = ServicePorts { owner, local_only: false, balanced: true, ports, health_check: None };
        let written = written.iter().map(|a| a.parse().expect("an address")).collect();
        (name.to_owned(), BalancedService { ports, written })
    }

    fn parse_address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_come_and_go() {
        let [one, two] = ["198.51.100.11", "198.51.100.12"];
        let services = Rows::from([
            service("a-new", 80, &[]),
            service("b-right", 81, &[one, two]),
            service("c-old-host", 82, &[one, "198.51.100.13"]),
            service("d-conflict", 80, &[one]),
            service("e-reserved", 6443, &[]),
        ]);
        let nodes = Rows::from([one, two].map(|host| (host.to_owned(), Addresses::from([parse_address(host)]))));
        let policy = Policy {
            host_ip: parse_address(one),
            options: PortOptions::default(),
            reserved: ReservedPorts::new([6443; 2], 10250, 8472),
            outgoing: None,
            shift: None,
        };
        let changes = outdated_statuses(&services, &nodes, &policy);
        let changes: Vec<_> = changes.iter().map(|c| (&*c.object.name, c.addresses.len())).collect();
        assert_eq!(changes, [("a-new", 2), ("c-old-host", 2), ("d-conflict", 0)]);
    }
}
