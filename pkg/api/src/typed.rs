//! A checked configuration's values in types.
//!
//! These never fail after [`Config::set_defaults`] and [`Config::validate`]; on anything else they may panic.

use crate::names::host_port;
use crate::{
    Config, ContainerRuntime, HostPathMount, NodeRegistrationOptions, Paths, ServiceNetwork, Taint, Timeouts, constants,
};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

const CHECKED: &str = "the configuration was validated";

impl Config {
    /// The cluster's pod range.
    pub fn pod_subnet(&self) -> IpNet {
        self.cluster.networking.pod_subnet.parse().expect(CHECKED)
    }

    /// The cluster's service range.
    pub fn service_network(&self) -> ServiceNetwork {
        ServiceNetwork(self.cluster.networking.service_subnet.parse().expect(CHECKED))
    }

    /// Address under which other hosts reach this one.
    pub fn host_ip(&self) -> IpAddr {
        self.rootless.host_ip.expect(CHECKED)
    }

    /// Where this node's API server listens.
    pub fn local_api_endpoint(&self) -> SocketAddr {
        let address = self.init.local_api_endpoint.advertise_address.expect(CHECKED);
        SocketAddr::new(address, self.api_server_port())
    }

    /// TCP port of this node's API server: `localAPIEndpoint.bindPort`, or kubeadm's default.
    pub fn api_server_port(&self) -> u16 {
        self.init.local_api_endpoint.bind_port.unwrap_or(constants::API_SERVER_PORT)
    }

    /// Host (without brackets) and port under which all nodes reach the API.
    pub fn control_plane_endpoint(&self) -> (String, u16) {
        let local = self.local_api_endpoint();
        match self.cluster.control_plane_endpoint.as_str() {
            "" => (local.ip().to_string(), local.port()),
            endpoint => {
                let (host, port) = host_port(endpoint).expect(CHECKED);
                (host, port.unwrap_or(local.port()))
            }
        }
    }

    /// `https://HOST:PORT` of [`Config::control_plane_endpoint`], as kubeconfigs name it.
    pub fn control_plane_url(&self) -> String {
        let (host, port) = self.control_plane_endpoint();
        if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
    }

    /// Version of the control plane.
    pub fn kubernetes_version(&self) -> semver::Version {
        self.cluster.kubernetes_version.trim_start_matches('v').parse().expect(CHECKED)
    }

    /// How this node registers: as it joins, or as the first one.
    pub fn node_registration(&self) -> &NodeRegistrationOptions {
        self.join.as_ref().map_or(&self.init.node_registration, |join| &join.node_registration)
    }

    /// What the kubelet of this node asks for containers.
    pub fn container_runtime(&self) -> ContainerRuntime {
        ContainerRuntime::of_socket(&self.node_registration().cri_socket).expect(CHECKED)
    }

    /// This node's name.
    pub fn node_name(&self) -> &str {
        &self.node_registration().name
    }

    /// Whether the control plane's Node has kubeadm's taint: where the file or the flag asks for it.
    pub fn taints_control_plane(&self) -> bool {
        let is_kubeadms = |taint: &Taint| taint.key == constants::CONTROL_PLANE_LABEL && taint.effect == "NoSchedule";
        let asked = self.node_registration().taints.iter().flatten().any(is_kubeadms);
        asked || self.rootless.taint_control_plane
    }

    /// Directory of etcd's data on the host.
    pub fn etcd_data_dir(&self, paths: &Paths) -> PathBuf {
        match self.cluster.etcd.local.data_dir.as_str() {
            "" | constants::ETCD_DATA_DIR => paths.node(constants::ETCD_DATA_DIR),
            other => PathBuf::from(other),
        }
    }

    /// Volumes of all components of the control plane. They share one file tree, so a volume that several have is there once.
    pub fn extra_volumes(&self) -> Vec<HostPathMount> {
        let cluster = &self.cluster;
        let all = [
            &cluster.api_server.extra_volumes,
            &cluster.controller_manager.extra_volumes,
            &cluster.scheduler.extra_volumes,
        ];
        let mut volumes: Vec<HostPathMount> = Vec::new();
        for volume in all.into_iter().flatten().cloned().chain(self.external_etcd_files()) {
            if !volumes.iter().any(|other| other.mount_path == volume.mount_path) {
                volumes.push(volume);
            }
        }
        volumes
    }

    /// The certificates of an external etcd, which the API server reads at the paths of the file.
    fn external_etcd_files(&self) -> impl Iterator<Item = HostPathMount> {
        let external = self.cluster.etcd.external.clone().unwrap_or_default();
        let files =
            [external.ca_file, external.cert_file, external.key_file].into_iter().filter(|path| !path.is_empty());
        files.map(|path| HostPathMount {
            name: "etcd-certs".into(),
            host_path: path.clone(),
            mount_path: path,
            read_only: true,
            path_type: "File".into(),
        })
    }

    /// Limits of waiting on this node.
    pub fn timeouts(&self) -> &Timeouts {
        self.join.as_ref().map_or(&self.init.timeouts, |join| &join.timeouts)
    }
}
