//! Flags that set fields. Messages name both, since a user of flags has not seen the path of the field.

use crate::rootless;

/// Flags for fields of kubeadm's documents.
const KUBEADM: &[(&str, &str)] = &[
    ("apiServer.certSANs", "--apiserver-cert-extra-sans"),
    ("bootstrapTokens[0].token", "--token"),
    ("controlPlaneEndpoint", "--control-plane-endpoint"),
    ("discovery.bootstrapToken.caCertHashes", "--discovery-token-ca-cert-hash"),
    ("discovery.bootstrapToken.token", "--token"),
    ("discovery.file.kubeConfigPath", "--discovery-file"),
    ("discovery.tlsBootstrapToken", "--tls-bootstrap-token"),
    ("localAPIEndpoint.advertiseAddress", "--apiserver-advertise-address"),
    ("localAPIEndpoint.bindPort", "--apiserver-bind-port"),
    ("networking.dnsDomain", "--service-dns-domain"),
    ("networking.podSubnet", "--pod-network-cidr"),
    ("networking.serviceSubnet", "--service-cidr"),
    ("nodeRegistration.criSocket", "--cri-socket"),
    ("nodeRegistration.name", "--node-name"),
];

/// Path of every field that a flag of `init`, `join` or `start` sets and that can be wrong, with the flag.
pub fn field_flags() -> impl Iterator<Item = (&'static str, &'static str)> {
    [KUBEADM, rootless::FLAGS, rootless::PORT_FLAGS].into_iter().flatten().copied()
}

/// `networking.podSubnet (--pod-network-cidr)`, or the path alone if no flag sets the field.
pub(crate) fn with_flag(field: &str) -> String {
    match field_flags().find(|(path, _)| *path == field) {
        Some((_, flag)) => format!("{field} ({flag})"),
        None => field.to_owned(),
    }
}
