//! `RootlessConfiguration`, and the ports and addresses of both documents together.

use super::Errors;
use crate::flags::with_flag;
use crate::reserved_ports::FIXED;
use crate::{Config, ContainerRuntime, Snapshotter, names};
use std::net::IpAddr;

pub(super) fn validate_rootless(errors: &mut Errors, config: &Config) {
    validate_host_ip(errors, config);
    config.rootless.validate(errors);
    validate_ports(errors, config);
    validate_bundle(errors, config);
    let is_crio = ContainerRuntime::of_socket(&config.node_registration().cri_socket) == Some(ContainerRuntime::CriO);
    let is_fuse = config.rootless.snapshotter == Snapshotter::FuseOverlayfs;
    errors.require(!(is_crio && is_fuse), "snapshotter", || {
        "fuse-overlayfs is for containerd; with CRI-O choose overlayfs or native".into()
    });
    for endpoint in &config.rootless.additional_endpoints {
        let right = names::host_port(endpoint).is_some_and(|(_, port)| port.is_some());
        errors.require(right, "additionalEndpoints", || format!("{endpoint:?} is not HOST:PORT"));
    }
}

fn validate_bundle(errors: &mut Errors, config: &Config) {
    let rootless = &config.rootless;
    errors.require(!rootless.bundle_from_peer || rootless.bundle.is_none(), "bundleFromPeer", || {
        "the bundle comes from a peer or from a path, not from both".into()
    });
    errors.require(!rootless.bundle_from_peer || config.join.is_some(), "bundleFromPeer", || {
        "the first node of a cluster has no peer".into()
    });
    if let Some(sha) = &config.state.bundle_sha256 {
        let is_hex = sha.len() == 64 && sha.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        errors.require(is_hex, "bundleSHA256", || format!("{sha:?} is not 64 of 0-9 and a-f"));
    }
}

fn validate_host_ip(errors: &mut Errors, config: &Config) {
    let Some(ip) = config.rootless.host_ip else {
        return errors.add(
            "hostIP",
            "no address of this host was found; name the one under which other hosts reach it. A cluster of this host \
             alone also works without a network, on an address of the loopback interface: as root, \
             ip address add 198.18.0.1/32 dev lo; then --host-ip 198.18.0.1",
        );
    };
    let reachable = !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && ip != IpAddr::from([255; 4]);
    errors.require(reachable, "hostIP", || format!("{ip} is not an address under which other hosts reach this one"));
    errors.require(ip.is_ipv4(), "hostIP", || {
        format!(
            "{ip}: IPv6 clusters are not supported; give this host an IPv4 address, then --host-ip with it. For a cluster of \
             this host alone: as root, ip address add 198.18.0.1/32 dev lo; then --host-ip 198.18.0.1"
        )
    });
    let tap = config.rootless.network.tap_range();
    let inside = matches!(ip, IpAddr::V4(ip) if tap.contains(&ip));
    errors.require(!inside, "network.cidr", || {
        format!("{tap} holds this host's address {ip}; leave the field out, and a range that the host does not use is chosen")
    });
    if let Some(advertised) = config.init.local_api_endpoint.advertise_address {
        errors.require(advertised == ip, "localAPIEndpoint.advertiseAddress", || {
            format!("{advertised} is not {} {ip}; give one of the two", with_flag("hostIP"))
        });
    }
}

fn validate_ports(errors: &mut Errors, config: &Config) {
    let api = config.api_server_port();
    let ports = &config.rootless.ports;
    errors.require_port(api, "localAPIEndpoint.bindPort");
    errors.require(api != ports.kubelet, "ports.kubelet", || {
        format!("{api} is {} already", with_flag("localAPIEndpoint.bindPort"))
    });
    for (field, port) in [("localAPIEndpoint.bindPort", api), ("ports.kubelet", ports.kubelet)] {
        for (taken, by) in FIXED {
            errors.require(port != taken, field, || format!("{port} is the port of {by}"));
        }
    }
}
