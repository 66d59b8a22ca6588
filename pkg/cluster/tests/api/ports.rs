//! Ports to publish, followed with the kubelet's rights.

use crate::nodes::register;
use crate::server::{LIMIT, NODE, Server};
use crate::{Outcome, tokens};
use k8s_openapi::api::core::v1::{Event, Node, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;
use usernetes_api::constants::EGRESS_ADDRESSES_ANNOTATION;
use usernetes_api::{PortOptions, ReservedPorts};
use usernetes_cluster::host_ports::{Conflict, DesiredPorts, Policy, follow_desired_ports};
use usernetes_cluster::nodes::{PodNetworks, ThisNode, follow_pod_networks};
use usernetes_cluster::{Cluster, Update};
use usernetes_pki::Kubeconfig;

pub(crate) fn policy() -> Policy {
    let host_ip = "198.51.100.11".parse().expect("an address");
    let options = PortOptions { addresses: vec![host_ip], ..PortOptions::default() };
    Policy { host_ip, options, reserved: ReservedPorts::new([6443; 2], 10250, 8472), outgoing: None, shift: None }
}

pub(crate) async fn service(cluster: &Cluster, name: &str, kind: &str, port: &Value) -> Result<Service, kube::Error> {
    let api: Api<Service> = Api::namespaced(cluster.client(), "default");
    let service = json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": [port] } });
    api.create(&PostParams::default(), &serde_json::from_value(service).expect("a Service")).await
}

pub(crate) async fn gone(cluster: &Cluster, name: &str) -> Result<(), kube::Error> {
    let api: Api<Service> = Api::namespaced(cluster.client(), "default");
    api.delete(name, &DeleteParams::default()).await.map(drop)
}

/// The next state; a loss is a failure.
async fn next(states: &mut mpsc::UnboundedReceiver<Update<DesiredPorts>>) -> DesiredPorts {
    match timeout(LIMIT, states.recv()).await.expect("something in time") {
        Some(Update::State(state)) => state,
        other => panic!("{other:?}"),
    }
}

fn shown(desired: &DesiredPorts) -> Vec<String> {
    desired.ports.iter().map(|port| port.spec.to_string()).collect()
}

pub(crate) async fn come_and_go(server: &Server) -> Outcome {
    let kubelet_itself = register(server).await?;
    let (cluster, kubelet) = (tokens::ready(server).await?, server.path("kubelet.conf"));
    let (sender, mut states) = mpsc::unbounded_channel();
    let kubeconfig = kubelet.clone();
    let follower = tokio::spawn(async move {
        follow_desired_ports(&kubeconfig, NODE, &policy(), |update| drop(sender.send(update))).await
    });
    assert_eq!(shown(&next(&mut states).await), [""; 0]);

    let start = Instant::now();
    service(&cluster, "web", "NodePort", &json!({ "port": 80, "nodePort": 30080 })).await?;
    assert_eq!(shown(&next(&mut states).await), ["198.51.100.11:30080:198.51.100.11:30080/tcp"]);
    let seen = start.elapsed();
    gone(&cluster, "web").await?;
    assert_eq!(shown(&next(&mut states).await), [""; 0]);
    assert!(seen < Duration::from_secs(1), "seen after {seen:?}");
    follower.abort();

    let (sender, mut hosts) = mpsc::unbounded_channel();
    let nodes: Api<Node> = Api::all(cluster.client());
    let pods = json!({ "spec": { "podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"] } });
    nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(pods)).await?;
    let this = ThisNode { name: "other".to_owned(), host_ip: "198.51.100.12".parse()?, cluster_networks: Vec::new() };
    let report = move |update| drop(sender.send(update));
    let watcher = tokio::spawn(async move { follow_pod_networks(&kubelet, &this, report).await });
    match timeout(LIMIT, hosts.recv()).await? {
        Some(Update::State(seen)) => assert_eq!(peer_addresses(&seen), ["198.51.100.11"]),
        other => panic!("{other:?}"),
    }
    // With the kubelet's rights.
    kubelet_itself.write_egress_addresses(NODE, &["198.51.100.57".parse()?].into()).await?;
    assert_eq!(nodes.get(NODE).await?.annotations()[EGRESS_ADDRESSES_ANNOTATION], "198.51.100.57");
    match timeout(LIMIT, hosts.recv()).await? {
        Some(Update::State(seen)) => assert_eq!(peer_addresses(&seen), ["198.51.100.11", "198.51.100.57"]),
        other => panic!("{other:?}"),
    }
    kubelet_itself.write_egress_addresses(NODE, &[].into()).await?;
    assert!(!nodes.get(NODE).await?.annotations().contains_key(EGRESS_ADDRESSES_ANNOTATION));
    watcher.abort();
    Ok(())
}

fn peer_addresses(networks: &PodNetworks) -> Vec<String> {
    networks.peers.keys().map(ToString::to_string).collect()
}

/// The kubelet keeps certificate and key in one file, which its kubeconfig names twice and which it replaces.
pub(crate) async fn renewed_credentials_are_read(server: &Server) -> Outcome {
    register(server).await?;
    let kubeconfig = Kubeconfig::parse(&std::fs::read_to_string(server.path("kubelet.conf"))?)?;
    let certificate = kubeconfig.user()?.certificate_pem()?.ok_or("a certificate")?;
    let both = certificate + kubeconfig.user()?.key_pem()?.ok_or("a key")?.expose();
    let current = server.path("kubelet-client-current.pem");
    let by_files = server.path("by-files.conf");
    let mut value: Value = serde_yaml::from_str(&kubeconfig.to_yaml())?;
    value["users"][0]["user"] = json!({ "client-certificate": current, "client-key": current });
    std::fs::write(&by_files, serde_yaml::to_string(&value)?)?;

    // A client that the server does not know: the certificate of another CA.
    let strangers = std::fs::read_to_string(server.path("pki/etcd/server.crt"))?;
    std::fs::write(&current, strangers + &std::fs::read_to_string(server.path("pki/etcd/server.key"))?)?;
    let (sender, mut states) = mpsc::unbounded_channel();
    let follower = tokio::spawn(async move {
        follow_desired_ports(&by_files, NODE, &policy(), |update| drop(sender.send(update))).await
    });
    match timeout(LIMIT, states.recv()).await? {
        Some(Update::Lost(error)) => assert!(error.is_unauthorized(), "{error:?}"),
        other => panic!("{other:?}"),
    }
    std::fs::write(&current, both)?;
    next(&mut states).await;
    follower.abort();
    Ok(())
}

pub(crate) async fn conflict_becomes_an_event(server: &Server) -> Outcome {
    let kubelet = register(server).await?;
    let cluster = server.admin().await;
    service(&cluster, "greedy", "LoadBalancer", &json!({ "port": 6443, "nodePort": 30644 })).await?;
    let (sender, mut states) = mpsc::unbounded_channel();
    let kubeconfig = server.path("kubelet.conf");
    let follower = tokio::spawn(async move {
        follow_desired_ports(&kubeconfig, NODE, &policy(), |update| drop(sender.send(update))).await
    });
    let desired = next(&mut states).await;
    follower.abort();
    let [conflict] = &desired.conflicts[..] else { panic!("{desired:?}") };
    for _ in 0..2 {
        kubelet.record_event(&conflict.loser.object, NODE, Conflict::REASON, &conflict.message()).await?;
    }
    let api: Api<Event> = Api::namespaced(cluster.client(), "default");
    let events =
        api.list(&ListParams::default().fields("involvedObject.name=greedy,involvedObject.kind=Service")).await?;
    let [event] = &events.items[..] else { panic!("{events:?}") };
    assert_eq!((event.count, event.reason.as_deref()), (Some(2), Some("PortConflict")));
    assert_eq!(event.involved_object.uid, Some(conflict.loser.object.uid.clone()));
    gone(&cluster, "greedy").await?;
    Ok(())
}
