//! Services and pods, projected to what host ports need.

use super::raw::{ContainerPort, Pod, RawServicePort, Service};
use crate::ObjectRef;
use jiff::Timestamp;
use kube::ResourceExt;
use std::net::IpAddr;
use usernetes_api::Protocol;

/// Namespace of the cluster's own pods: kube-proxy and flannel need no port of the host.
const SYSTEM: &str = "kube-system";

/// The field of the API that asks for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exposure {
    /// `nodePort` of a Service.
    NodePort,
    /// `healthCheckNodePort` of a Service.
    HealthCheck,
    /// `port` of a Service of type LoadBalancer.
    LoadBalancer,
    /// `hostPort` of a pod on this node.
    HostPort,
}

impl Exposure {
    /// The words for it in events and in the node's status.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NodePort => "node port",
            Self::HealthCheck => "health check node port",
            Self::LoadBalancer => "load balancer port",
            Self::HostPort => "host port",
        }
    }
}

/// An object that asks for ports. The older of two is served first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its creation time.
    pub since: Timestamp,
    /// The object that events are recorded for.
    pub object: ObjectRef,
}

/// A Service of type NodePort or LoadBalancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePorts {
    /// The Service.
    pub owner: Owner,
    /// `externalTrafficPolicy: Local`.
    pub local_only: bool,
    /// Type LoadBalancer without a `loadBalancerClass`, which would name another implementation.
    pub balanced: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// `healthCheckNodePort`, where kube-proxy answers load balancers whether this node has a pod of the Service.
    pub health_check: Option<u16>,
}

/// A port of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Transport.
    pub protocol: Protocol,
    /// Port of the Service.
    pub port: u16,
    /// Port on every node, if one was allocated.
    pub node_port: Option<u16>,
}

/// A pod of this node with host ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPorts {
    /// The pod.
    pub owner: Owner,
    /// `hostNetwork: true`: its processes listen in the network namespace of the node.
    pub host_network: bool,
    /// Transport, port on the host, and the address that it is restricted to.
    pub ports: Vec<(Protocol, u16, Option<IpAddr>)>,
}

fn owner_of<K: ResourceExt>(kind: &'static str, object: &K) -> Owner {
    let object_ref = ObjectRef::new("v1", kind, object);
    Owner { since: object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |time| time.0), object: object_ref }
}

/// `None` for SCTP, which cannot be forwarded without privileges.
fn parse_protocol(name: &str) -> Option<Protocol> {
    match name {
        "" | "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        _ => None,
    }
}

fn nonzero_port(port: u16) -> Option<u16> {
    Some(port).filter(|&port| port != 0)
}

impl ServicePorts {
    /// `None` for a Service that only the cluster reaches.
    pub(crate) fn from_service(service: &Service) -> Option<Self> {
        let spec = &service.spec;
        let balanced = spec.r#type == "LoadBalancer" && spec.load_balancer_class.is_none();
        let ports: Vec<_> = match &*spec.r#type {
            "NodePort" | "LoadBalancer" => spec.ports.iter().filter_map(RawServicePort::parse).collect(),
            _ => Vec::new(),
        };
        let local_only = spec.external_traffic_policy == "Local";
        let health_check = nonzero_port(spec.health_check_node_port);
        (!ports.is_empty()).then(|| Self {
            owner: owner_of("Service", service),
            local_only,
            balanced,
            ports,
            health_check,
        })
    }
}

impl RawServicePort {
    fn parse(&self) -> Option<ServicePort> {
        Some(ServicePort {
            protocol: parse_protocol(&self.protocol)?,
            port: self.port,
            node_port: nonzero_port(self.node_port),
        })
    }
}

impl PodPorts {
    /// Whether its processes listen on ports that this host does not know. Not of the system's own pods.
    pub fn is_undeclared(&self) -> bool {
        self.host_network && self.ports.is_empty() && self.owner.object.namespace != SYSTEM
    }

    /// `None` for a pod without host ports in a network of its own, and for one that has ended.
    pub(super) fn from_pod(pod: &Pod) -> Option<Self> {
        let ended = pod.status.as_ref().is_some_and(|s| matches!(&*s.phase, "Succeeded" | "Failed"));
        let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        let ports: Vec<_> = containers.flat_map(|c| &c.ports).filter_map(ContainerPort::parse).collect();
        let relevant = !ports.is_empty() || pod.spec.host_network;
        (!ended && relevant).then(|| Self { owner: owner_of("Pod", pod), host_network: pod.spec.host_network, ports })
    }
}

impl ContainerPort {
    fn parse(&self) -> Option<(Protocol, u16, Option<IpAddr>)> {
        let only = self.host_ip.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
        Some((parse_protocol(&self.protocol)?, nonzero_port(self.host_port)?, only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes it in place")]
    fn read_service(spec: serde_json::Value) -> Option<ServicePorts> {
        let value = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a", "namespace": "b", "uid": "c" }, "spec": spec });
        ServicePorts::from_service(&serde_json::from_value(value).expect("a Service"))
    }

    #[expect(clippy::needless_pass_by_value, reason = "every caller makes it in place")]
    fn read_pod(spec: serde_json::Value, phase: &str) -> Option<PodPorts> {
        let value = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": spec, "status": { "phase": phase } });
        PodPorts::from_pod(&serde_json::from_value(value).expect("a Pod"))
    }

    #[test]
    fn services() {
        assert_eq!(read_service(json!({ "type": "ClusterIP", "ports": [{ "port": 80 }] })), None);
        assert_eq!(
            read_service(
                json!({ "type": "NodePort", "ports": [{ "port": 80, "protocol": "SCTP", "nodePort": 30080 }] })
            ),
            None
        );
        let balanced = json!({ "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30099, "ports": [
            { "port": 80, "protocol": "TCP", "nodePort": 30080 }, { "port": 53, "protocol": "UDP" },
        ]});
        let found = read_service(balanced).expect("ports");
        assert!(found.local_only && found.balanced);
        assert_eq!(found.health_check, Some(30099));
        assert_eq!(
            found.ports,
            [
                ServicePort { protocol: Protocol::Tcp, port: 80, node_port: Some(30080) },
                ServicePort { protocol: Protocol::Udp, port: 53, node_port: None },
            ]
        );
        let elsewhere =
            json!({ "type": "LoadBalancer", "loadBalancerClass": "x/y", "ports": [{ "port": 80, "nodePort": 30080 }] });
        assert!(!read_service(elsewhere).expect("ports").balanced);
    }

    #[test]
    fn pods() {
        let spec = json!({ "hostNetwork": true, "containers": [{ "name": "a", "ports": [
            { "containerPort": 80 },
            { "containerPort": 81, "hostPort": 8081, "hostIP": "127.0.0.1" },
            { "containerPort": 82, "hostPort": 8082, "hostIP": "0.0.0.0", "protocol": "UDP" },
        ]}], "initContainers": [{ "name": "b", "restartPolicy": "Always", "ports": [{ "hostPort": 8083 }] }] });
        let found = read_pod(spec.clone(), "Running").expect("ports");
        assert!(found.host_network);
        let loopback = "127.0.0.1".parse().ok();
        assert_eq!(
            found.ports,
            [(Protocol::Tcp, 8081, loopback), (Protocol::Udp, 8082, None), (Protocol::Tcp, 8083, None)]
        );
        assert_eq!(read_pod(spec, "Succeeded"), None);
        let undeclared = json!({ "hostNetwork": true, "containers": [{ "name": "a" }] });
        assert!(read_pod(undeclared, "Running").expect("a pod").is_undeclared() && !found.is_undeclared());
        assert_eq!(read_pod(json!({ "containers": [{ "ports": [{ "containerPort": 80 }] }] }), "Running"), None);
    }
}
