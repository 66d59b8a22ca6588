//! Tables and properties of the decision.

use super::*;
use crate::ObjectRef;
use crate::host_ports::ServicePort;
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;
use usernetes_api::{PortShift, PublishSelection, ReservedPorts};

const HOST: &str = "198.51.100.11";

fn policy() -> Policy {
    Policy {
        host_ip: HOST.parse().expect("an address"),
        options: PortOptions::default(),
        reserved: ReservedPorts::new([6443, 443], 10250, 8472),
        outgoing: Some(32768..=60999),
        shift: None,
    }
}

/// One that publishes on HOST_IP alone.
fn without_loopback() -> Policy {
    with_options(|options| options.addresses = vec![HOST.parse().expect("an address")])
}

fn with_options(change: impl FnOnce(&mut PortOptions)) -> Policy {
    let mut policy = policy();
    change(&mut policy.options);
    policy
}

fn owner(kind: &'static str, name: &str, second: i64) -> Owner {
    let object = ObjectRef {
        api_version: "v1",
        kind,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: name.to_owned(),
    };
    Owner { since: Timestamp::from_second(second).expect("a time"), object }
}

fn service(name: &str, second: i64, balanced: bool, ports: &[(Protocol, u16, u16)]) -> ServicePorts {
    ServicePorts {
        owner: owner("Service", name, second),
        local_only: false,
        balanced,
        ports: ports
            .iter()
            .map(|&(protocol, port, node)| ServicePort { protocol, port, node_port: Some(node).filter(|&n| n != 0) })
            .collect(),
        health_check: None,
    }
}

fn pod(name: &str, second: i64, ports: &[(Protocol, u16, Option<&str>)]) -> PodPorts {
    let ports =
        ports.iter().map(|&(protocol, port, only)| (protocol, port, only.map(|a| a.parse().expect("an address"))));
    PodPorts { owner: owner("Pod", name, second), host_network: false, ports: ports.collect() }
}

fn show(desired: &DesiredPorts) -> String {
    let ports = desired.ports.iter().map(|p| format!("{} {} {:?}", p.spec, p.owner.object.name, p.exposure));
    let conflicts = desired.conflicts.iter().map(|c| format!("{}: {}", c.loser.object.name, c.message()));
    ports.chain(conflicts).collect::<Vec<_>>().join("\n")
}

const TCP: Protocol = Protocol::Tcp;
const UDP: Protocol = Protocol::Udp;

#[test]
fn node_port_and_load_balancer() {
    let mut services = [service("web", 1, true, &[(TCP, 8080, 30080)]), service("dns", 2, false, &[(UDP, 53, 30053)])];
    services[0].health_check = Some(30099);
    insta::assert_snapshot!(show(&assign_ports(&services, [], &policy())), @r"
    127.0.0.1:30053:198.51.100.11:30053/udp dns NodePort
    127.0.0.1:30080:198.51.100.11:30080/tcp web NodePort
    127.0.0.1:30099:198.51.100.11:30099/tcp web HealthCheck
    198.51.100.11:8080:198.51.100.11:30080/tcp web LoadBalancer
    198.51.100.11:30053:198.51.100.11:30053/udp dns NodePort
    198.51.100.11:30080:198.51.100.11:30080/tcp web NodePort
    198.51.100.11:30099:198.51.100.11:30099/tcp web HealthCheck
    ");
}

#[test]
fn host_ports() {
    let pods = [pod(
        "a",
        1,
        &[(TCP, 8080, None), (UDP, 8081, Some("127.0.0.1")), (TCP, 8082, Some(HOST)), (TCP, 8083, Some("203.0.113.9"))],
    )];
    insta::assert_snapshot!(show(&assign_ports([], &pods, &policy())), @r"
    127.0.0.1:8080:198.51.100.11:8080/tcp a HostPort
    127.0.0.1:8081:127.0.0.1:8081/udp a HostPort
    198.51.100.11:8080:198.51.100.11:8080/tcp a HostPort
    198.51.100.11:8082:198.51.100.11:8082/tcp a HostPort
    ");
}

#[test]
fn load_balancer_without_node_port() {
    let services = [service("web", 1, true, &[(TCP, 8080, 0)])];
    let policy = without_loopback();
    insta::assert_snapshot!(show(&assign_ports(&services, [], &policy)), @"198.51.100.11:8080:198.51.100.11:8080/tcp web LoadBalancer");
}

/// On the node it is the port that was asked for; an object that has the other port already keeps it.
#[test]
fn low_ports_are_shifted() {
    let services = [
        service("web", 1, true, &[(TCP, 80, 30080), (TCP, 8000, 30081)]),
        service("taken", 2, true, &[(TCP, 444, 30082)]),
        service("holder", 1, true, &[(TCP, 8444, 30083)]),
        service("api", 2, true, &[(TCP, 443, 30084)]),
    ];
    let pods = [pod("dns", 1, &[(UDP, 53, None)])];
    let policy = Policy { shift: Some(PortShift { below: 1024, by: 8000 }), ..without_loopback() };
    let desired = assign_ports(&services, &pods, &policy);
    insta::assert_snapshot!(show(&desired), @r"
    198.51.100.11:8000:198.51.100.11:30081/tcp web LoadBalancer
    198.51.100.11:8053:198.51.100.11:53/udp dns HostPort
    198.51.100.11:8080:198.51.100.11:30080/tcp web LoadBalancer
    198.51.100.11:8444:198.51.100.11:30083/tcp holder LoadBalancer
    198.51.100.11:30080:198.51.100.11:30080/tcp web NodePort
    198.51.100.11:30081:198.51.100.11:30081/tcp web NodePort
    198.51.100.11:30082:198.51.100.11:30082/tcp taken NodePort
    198.51.100.11:30083:198.51.100.11:30083/tcp holder NodePort
    198.51.100.11:30084:198.51.100.11:30084/tcp api NodePort
    api: load balancer port 8443/tcp (for 443) is not published: the node itself needs it for kube-apiserver; choose another port
    taken: load balancer port 8444/tcp (for 444) is not published: Service default/holder has it; choose another port
    ");
    let messages: Vec<_> = desired.ports.iter().filter_map(PublishedPort::shift_message).collect();
    insta::assert_snapshot!(messages.join("\n"), @r"
    host port 53/udp is published on host port 8053, since ports.privilegedPortOffset is set
    load balancer port 80/tcp is published on host port 8080, since ports.privilegedPortOffset is set
    ");
}

#[test]
fn conflicts() {
    let services = [
        service("younger", 9, true, &[(TCP, 80, 30001)]),
        service("older", 5, true, &[(TCP, 80, 30002)]),
        service("other-protocol", 9, true, &[(UDP, 80, 30003)]),
        service("steals-the-api", 1, true, &[(TCP, 6443, 30004)]),
        service("own-port-twice", 1, true, &[(TCP, 30005, 30005)]),
        service("wants-a-node-port", 1, true, &[(TCP, 30002, 30006)]),
    ];
    let pods = [pod("host-port", 1, &[(TCP, 80, None)])];
    let policy = without_loopback();
    insta::assert_snapshot!(show(&assign_ports(&services, &pods, &policy)), @r"
    198.51.100.11:80:198.51.100.11:30002/tcp older LoadBalancer
    198.51.100.11:80:198.51.100.11:30003/udp other-protocol LoadBalancer
    198.51.100.11:30001:198.51.100.11:30001/tcp younger NodePort
    198.51.100.11:30002:198.51.100.11:30002/tcp older NodePort
    198.51.100.11:30003:198.51.100.11:30003/udp other-protocol NodePort
    198.51.100.11:30004:198.51.100.11:30004/tcp steals-the-api NodePort
    198.51.100.11:30005:198.51.100.11:30005/tcp own-port-twice NodePort
    198.51.100.11:30006:198.51.100.11:30006/tcp wants-a-node-port NodePort
    steals-the-api: load balancer port 6443/tcp is not published: the node itself needs it for kube-apiserver; choose another port
    wants-a-node-port: load balancer port 30002/tcp is not published: Service default/older has it; choose another port
    younger: load balancer port 80/tcp is not published: Service default/older has it; choose another port
    host-port: host port 80/tcp is not published: Service default/older has it; choose another port
    ");
}

#[test]
fn selections() {
    let services = [service("web", 1, true, &[(TCP, 8080, 30080)])];
    let pods = [pod("a", 1, &[(TCP, 8081, None)])];
    let shown = |publish| show(&assign_ports(&services, &pods, &with_options(|options| options.publish = publish)));
    insta::assert_snapshot!(shown(PublishSelection::NodePorts), @r"
    127.0.0.1:30080:198.51.100.11:30080/tcp web NodePort
    198.51.100.11:30080:198.51.100.11:30080/tcp web NodePort
    ");
    insta::assert_snapshot!(shown(PublishSelection::None), @"");
}

/// A host's outgoing connections keep their ports, and no object takes more than its share. The older object is first.
#[test]
fn limits() {
    let node_ports: Vec<_> = (0..3).map(|n| (TCP, 8000 + n, 30000 + n)).collect();
    let mut services =
        [service("a", 1, false, &node_ports), service("b", 2, true, &[(TCP, 40000, 40000), (TCP, 8080, 0)])];
    insta::assert_snapshot!(show(&assign_ports(&services, [], &without_loopback())), @r"
    198.51.100.11:8080:198.51.100.11:8080/tcp b LoadBalancer
    198.51.100.11:30000:198.51.100.11:30000/tcp a NodePort
    198.51.100.11:30001:198.51.100.11:30001/tcp a NodePort
    198.51.100.11:30002:198.51.100.11:30002/tcp a NodePort
    198.51.100.11:40000:198.51.100.11:40000/tcp b NodePort
    b: load balancer port 40000/tcp is not published: the host's outgoing connections use 32768 to 60999; choose another port
    ");
    let few = |options: &mut PortOptions| (options.max_per_host, options.max_per_namespace) = (4, 2);
    let policy = with_options(few);
    services[1].owner.object.namespace = "other".to_owned();
    insta::assert_snapshot!(show(&assign_ports(&services, [], &policy)), @r"
    127.0.0.1:30000:198.51.100.11:30000/tcp a NodePort
    127.0.0.1:30001:198.51.100.11:30001/tcp a NodePort
    127.0.0.1:40000:198.51.100.11:40000/tcp b NodePort
    198.51.100.11:8080:198.51.100.11:8080/tcp b LoadBalancer
    198.51.100.11:30000:198.51.100.11:30000/tcp a NodePort
    198.51.100.11:30001:198.51.100.11:30001/tcp a NodePort
    198.51.100.11:40000:198.51.100.11:40000/tcp b NodePort
    a: node port 30002/tcp is not published: this host publishes 2 ports of this namespace; raise ports.maxPerNamespace
    b: load balancer port 40000/tcp is not published: the host's outgoing connections use 32768 to 60999; choose another port
    ");
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(TCP), Just(UDP)]
}

fn any_services() -> impl Strategy<Value = Vec<ServicePorts>> {
    // Few ports, so that they meet.
    let ports = prop::collection::vec((any_protocol(), 6440..6446u16, 30000..30006u16), 1..4);
    prop::collection::vec((0..5i64, any::<bool>(), ports), 0..8).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(i, (second, balanced, ports))| service(&format!("s{i}"), second, balanced, &ports)).collect()
    })
}

proptest! {
    #[test]
    fn each_address_once_and_nothing_reserved(services in any_services()) {
        let policy = policy();
        let desired = assign_ports(&services, [], &policy);
        let mut seen = BTreeSet::new();
        for port in &desired.ports {
            prop_assert!(seen.insert((port.spec.host, port.spec.protocol)), "{} twice", port.spec);
            prop_assert!(policy.reserved.server(port.spec.protocol, port.spec.host.port()).is_none(), "{}", port.spec);
            prop_assert_eq!(port.spec.node.ip(), policy.host_ip);
        }
    }

    #[test]
    fn order_of_arrival_does_not_matter(services in any_services()) {
        let forth = assign_ports(&services, [], &policy());
        let back = assign_ports(services.iter().rev(), [], &policy());
        prop_assert_eq!(forth, back);
    }

    #[test]
    fn every_wish_is_granted_or_refused(services in any_services()) {
        let policy = without_loopback();
        let desired = assign_ports(&services, [], &policy);
        for service in &services {
            for port in service.ports.iter().filter_map(|p| Some((p.protocol, p.node_port?))) {
                let owner = &service.owner;
                let granted = desired.ports.iter().any(|p| p.owner == *owner && (p.spec.protocol, p.spec.host.port()) == port);
                let refused = desired.conflicts.iter().any(|c| c.loser == *owner && (c.protocol, c.port) == port);
                prop_assert!(granted != refused, "{port:?} of {}", service.owner.object.name);
            }
        }
    }
}
