//! Names, ports and files that kubeadm and the kubelet agree on.
//!
//! Mirrors `cmd/kubeadm/app/constants` of Kubernetes.

/// Name of the cluster when `--cluster` is not given.
pub const DEFAULT_CLUSTER: &str = "default";
/// The Kubernetes version that this program installs and is tested with.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// Range of Service addresses, kubeadm's default.
pub const DEFAULT_SERVICE_SUBNET: &str = "10.96.0.0/12";
/// Range of pod addresses, the one in flannel's manifest.
pub const DEFAULT_POD_SUBNET: &str = "10.244.0.0/16";
/// DNS domain of Services.
pub const DEFAULT_DNS_DOMAIN: &str = "cluster.local";
/// Address ranges of the node's tap interface, the first that the host does not use is taken. VirtualBox and QEMU give
/// the first one to virtual machines.
pub const TAP_CIDRS: [&str; 6] = [
    "10.0.2.0/24",
    "10.254.254.0/24",
    "192.168.254.0/24",
    "172.31.254.0/24",
    "100.127.254.0/24",
    // For measurements (RFC 2544): no network routes it.
    "198.18.254.0/24",
];
/// Name of the tap interface inside the node.
pub const TAP_INTERFACE: &str = "tap0";

/// Port of kube-apiserver.
pub const API_SERVER_PORT: u16 = 6443;
/// Port of the kubelet's authenticated API.
pub const KUBELET_PORT: u16 = 10250;
/// Port of the kubelet's health endpoint, on loopback.
pub const KUBELET_HEALTHZ_PORT: u16 = 10248;
/// Port of kube-proxy's metrics, on loopback.
pub const KUBE_PROXY_METRICS_PORT: u16 = 10249;
/// Port of kube-proxy's health check.
pub const KUBE_PROXY_HEALTHZ_PORT: u16 = 10256;
/// Port of kube-controller-manager.
pub const CONTROLLER_MANAGER_PORT: u16 = 10257;
/// Port of kube-scheduler.
pub const SCHEDULER_PORT: u16 = 10259;
/// Client port of etcd.
pub const ETCD_CLIENT_PORT: u16 = 2379;
/// Peer port of etcd.
pub const ETCD_PEER_PORT: u16 = 2380;
/// Health and metrics port of etcd, on loopback, without TLS.
pub const ETCD_METRICS_PORT: u16 = 2381;
/// Port inside the node on which a control plane serves its bundle; joining hosts reach it through the API server's proxy.
pub const BUNDLE_PORT: u16 = 10261;
/// UDP port of flannel's VXLAN (the Linux default, not IANA's 4789).
pub const VXLAN_PORT: u16 = 8472;

/// Path inside the node of kubeadm's configuration directory.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";
/// Directory inside the node of keys and certificates.
pub const PKI_DIR: &str = "/etc/kubernetes/pki";
/// Path inside the node of an empty file; where it exists, the API server verifies the serving certificates of kubelets.
pub const KUBELETS_VERIFIED_FILE: &str = "/etc/kubernetes/kubelets-verified";
/// Directory inside the node of etcd's data.
pub const ETCD_DATA_DIR: &str = "/var/lib/etcd";
/// Directory inside the node of the kubelet's state.
pub const KUBELET_DIR: &str = "/var/lib/kubelet";
/// Directory inside the node of containerd's persistent state, its `root`.
pub const CONTAINERD_DIR: &str = "/var/lib/containerd";
/// Path inside the node of containerd's socket.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// Directory inside the node of CRI-O's persistent state and configuration.
pub const CRIO_DIR: &str = "/var/lib/containers";
/// Directory inside the node of CRI-O's images and containers.
pub const CRIO_STORAGE_DIR: &str = "/var/lib/containers/storage";
/// Path inside the node of CRI-O's socket.
pub const CRIO_SOCKET: &str = "/run/crio/crio.sock";
/// Path inside the node of the socket of containerd's snapshotter for fuse-overlayfs.
pub const FUSE_OVERLAYFS_SOCKET: &str = "/run/fuse-overlayfs/grpc.sock";
/// Directory inside the node of the fuse-overlayfs snapshotter's state.
pub const FUSE_OVERLAYFS_DIR: &str = "/var/lib/containerd/io.containerd.snapshotter.v1.fuse-overlayfs";
/// Path of the fuse-overlayfs snapshotter in a bundle; older bundles do not have it.
pub const FUSE_OVERLAYFS_PROGRAM: &str = "bin/containerd-fuse-overlayfs-grpc";
/// Directory inside the node of the state of CNI plugins.
pub const CNI_STATE_DIR: &str = "/var/lib/cni";
/// Directory inside the node of the CNI configuration.
pub const CNI_CONF_DIR: &str = "/etc/cni/net.d";
/// Directory inside the node of CNI plugins.
pub const CNI_BIN_DIR: &str = "/opt/cni/bin";
/// Directory inside the node of pod logs, which the runtime writes.
pub const POD_LOG_DIR: &str = "/var/log/pods";
/// Directory inside the node of links to container logs.
pub const CONTAINER_LOG_DIR: &str = "/var/log/containers";
/// Path inside the node of the file that flanneld writes for its CNI plugin.
pub const FLANNEL_SUBNET_FILE: &str = "/run/flannel/subnet.env";

/// Group that bootstrap tokens authenticate as.
pub const BOOTSTRAPPERS_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// Group of administrators in `admin.conf`.
pub const CLUSTER_ADMINS_GROUP: &str = "kubeadm:cluster-admins";
/// Label and taint key of control-plane nodes.
pub const CONTROL_PLANE_LABEL: &str = "node-role.kubernetes.io/control-plane";
/// Label of a Node while images of its bundle are being imported.
pub const IMAGES_LABEL: &str = "usernetes.rs/images";
/// First value of [`IMAGES_LABEL`]: no image is imported; the DaemonSets of the pod network and CoreDNS are not
/// scheduled to the Node.
pub const IMAGES_IMPORTING: &str = "importing";
/// Second value of [`IMAGES_LABEL`]: the images of the DaemonSets are imported; CoreDNS is not scheduled to the Node.
pub const IMAGES_PARTIAL: &str = "partial";
/// Annotation of a Node: source addresses of its packets besides HOST_IP, separated by commas.
pub const EGRESS_ADDRESSES_ANNOTATION: &str = "usernetes.rs/egress-addresses";
/// Earlier name of [`EGRESS_ADDRESSES_ANNOTATION`], which Nodes of earlier versions have.
pub const EGRESS_ADDRESSES_ANNOTATION_OLD: &str = "usernetes.rs/sources";
/// Annotation with which a worker asks the control plane to delete its Node.
pub const LEAVING_ANNOTATION: &str = "usernetes.rs/leaving";
/// Label of a Node with enough subordinate ids for pods with `hostUsers: false`; such pods are scheduled to these Nodes.
pub const USER_NAMESPACES_LABEL: &str = "usernetes.rs/user-namespaces";
/// RuntimeClass of pods with `hostUsers: false`, and its handler in the runtime's configuration.
pub const USER_NAMESPACES_CLASS: &str = "userns";
/// Label that excludes a Node from external load balancers.
pub const EXCLUDE_LB_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
