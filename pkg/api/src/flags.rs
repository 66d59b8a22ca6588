//! Flags that set fields: who typed one has never seen the field's path.

/// Path of a field that can be wrong, and the flag of `init`, `join` or `start` that sets it.
pub const FLAGS: [(&str, &str); 19] = [
    ("apiServer.certSANs", "--apiserver-cert-extra-sans"),
    ("bootstrapTokens[0].token", "--token"),
    ("bundleFromPeer", "--bundle-from-peer"),
    ("controlPlaneEndpoint", "--control-plane-endpoint"),
    ("discovery.bootstrapToken.caCertHashes", "--discovery-token-ca-cert-hash"),
    ("discovery.bootstrapToken.token", "--token"),
    ("discovery.file.kubeConfigPath", "--discovery-file"),
    ("discovery.tlsBootstrapToken", "--tls-bootstrap-token"),
    ("hostIP", "--host-ip"),
    ("localAPIEndpoint.advertiseAddress", "--apiserver-advertise-address"),
    ("localAPIEndpoint.bindPort", "--apiserver-bind-port"),
    ("networking.dnsDomain", "--service-dns-domain"),
    ("networking.podSubnet", "--pod-network-cidr"),
    ("networking.serviceSubnet", "--service-cidr"),
    ("nodeRegistration.criSocket", "--cri-socket"),
    ("nodeRegistration.name", "--node-name"),
    ("ports.kubelet", "--kubelet-port"),
    ("ports.privilegedPortOffset", "--privileged-port-offset"),
    ("ports.vxlan", "--vxlan-port"),
];

/// `networking.podSubnet (--pod-network-cidr)`, or the path alone where no flag sets the field.
pub(crate) fn named(field: &str) -> String {
    match FLAGS.iter().find(|(path, _)| *path == field) {
        Some((_, flag)) => format!("{field} ({flag})"),
        None => field.to_owned(),
    }
}
