//! Names, ports and files that kubeadm and the kubelet agree on.
//!
//! Mirrors `cmd/kubeadm/app/constants` of Kubernetes.

/// Name of the cluster when `--cluster` is not given.
pub const DEFAULT_CLUSTER: &str = "default";
/// The Kubernetes minor that this version of the tool installs and is tested with.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// Service range of kubeadm.
pub const DEFAULT_SERVICE_SUBNET: &str = "10.96.0.0/12";
/// Pod range of flannel's own manifest.
pub const DEFAULT_POD_SUBNET: &str = "10.244.0.0/16";
/// DNS domain of Services.
pub const DEFAULT_DNS_DOMAIN: &str = "cluster.local";
/// Address range of the node's tap interface.
pub const DEFAULT_TAP_CIDR: &str = "10.0.2.0/24";
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
/// Port where the control-plane node serves its bundle to the API server's proxy, inside the node alone.
pub const BUNDLE_PORT: u16 = 10261;
/// UDP port of flannel's VXLAN (the Linux default, not IANA's 4789).
pub const VXLAN_PORT: u16 = 8472;

/// Inside the node: kubeadm's configuration directory.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";
/// Inside the node: keys and certificates.
pub const PKI_DIR: &str = "/etc/kubernetes/pki";
/// Inside the node: etcd's data.
pub const ETCD_DATA_DIR: &str = "/var/lib/etcd";
/// Inside the node: the kubelet's state.
pub const KUBELET_DIR: &str = "/var/lib/kubelet";
/// Inside the node: containerd's root.
pub const CONTAINERD_DIR: &str = "/var/lib/containerd";
/// Inside the node: containerd's socket.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// Inside the node: what CRI-O keeps, its configuration included.
pub const CRIO_DIR: &str = "/var/lib/containers";
/// Inside the node: images and containers of CRI-O.
pub const CRIO_STORAGE_DIR: &str = "/var/lib/containers/storage";
/// Inside the node: CRI-O's socket.
pub const CRIO_SOCKET: &str = "/run/crio/crio.sock";
/// Inside the node: socket of containerd's snapshotter for fuse-overlayfs.
pub const FUSE_OVERLAYFS_SOCKET: &str = "/run/fuse-overlayfs/grpc.sock";
/// Inside the node: what that snapshotter keeps.
pub const FUSE_OVERLAYFS_DIR: &str = "/var/lib/containerd/io.containerd.snapshotter.v1.fuse-overlayfs";
/// Its program in a bundle; older ones do without.
pub const FUSE_OVERLAYFS_PROGRAM: &str = "bin/containerd-fuse-overlayfs-grpc";
/// Inside the node: state of CNI plugins.
pub const CNI_STATE_DIR: &str = "/var/lib/cni";
/// Inside the node: CNI configuration.
pub const CNI_CONF_DIR: &str = "/etc/cni/net.d";
/// Inside the node: CNI plugins.
pub const CNI_BIN_DIR: &str = "/opt/cni/bin";
/// Inside the node: logs of pods, written by the runtime.
pub const POD_LOG_DIR: &str = "/var/log/pods";
/// Inside the node: links to logs of containers.
pub const CONTAINER_LOG_DIR: &str = "/var/log/containers";
/// Inside the node: what flanneld tells the CNI plugin.
pub const FLANNEL_SUBNET_FILE: &str = "/run/flannel/subnet.env";

/// Group that bootstrap tokens authenticate as.
pub const BOOTSTRAPPERS_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// Group of administrators in `admin.conf`.
pub const CLUSTER_ADMINS_GROUP: &str = "kubeadm:cluster-admins";
/// Label and taint key of control-plane nodes.
pub const CONTROL_PLANE_LABEL: &str = "node-role.kubernetes.io/control-plane";
/// Label of a node into whose runtime images of the bundle are still imported.
pub const IMAGES_LABEL: &str = "usernetes.rs/images";
/// Its value at first: the DaemonSets of the pod network wait, and CoreDNS.
pub const IMAGES_IMPORTING: &str = "importing";
/// Its value once those of the DaemonSets are there: CoreDNS waits.
pub const IMAGES_PARTIAL: &str = "partial";
/// Annotation of a node: addresses besides HOST_IP that its packets may come from, separated by commas.
pub const EGRESS_ADDRESSES_ANNOTATION: &str = "usernetes.rs/egress-addresses";
/// Its name in earlier versions, which nodes of such versions still have.
pub const EGRESS_ADDRESSES_ANNOTATION_OLD: &str = "usernetes.rs/sources";
/// Label of a node that has ids for pods with `hostUsers: false`; such pods are sent there.
pub const USER_NAMESPACES_LABEL: &str = "usernetes.rs/user-namespaces";
/// RuntimeClass of such pods, and its handler in the runtime's configuration.
pub const USER_NAMESPACES_CLASS: &str = "userns";
/// Label that keeps a node out of external load balancers.
pub const EXCLUDE_LB_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
