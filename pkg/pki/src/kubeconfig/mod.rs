//! kubeconfigs: the five of a control-plane node, the bootstrap one, and merging into a user's own.

mod file;
mod merge;
mod store;

pub use file::{Cluster, Context, Kubeconfig, KubeconfigError, NamedCluster, NamedContext, NamedUser, User};
pub use merge::{merge, take_out};
pub use store::{ClientSpec, FILES, ensure, ensure_all};
pub(crate) use store::{invalid, path as path_of};

use crate::BootstrapToken;

/// User of `bootstrap-kubelet.conf`.
const BOOTSTRAP_USER: &str = "tls-bootstrap-token-user";

/// `bootstrap-kubelet.conf`: what the kubelet of a joining node asks for its certificate with.
pub fn bootstrap(cluster_name: &str, server: &str, ca_pem: &str, token: &BootstrapToken) -> Kubeconfig {
    let user = User { token: Some(token.to_secret()), ..User::default() };
    Kubeconfig::new(cluster_name, server, ca_pem, BOOTSTRAP_USER, user)
}

/// A kubeconfig with a client certificate inside.
pub(crate) fn with_certificate(
    cluster_name: &str,
    server: &str,
    ca_pem: &str,
    user: &str,
    (certificate, key): (&str, &str),
) -> Kubeconfig {
    let mut credentials = User::default();
    credentials.set_certificate(certificate, key);
    Kubeconfig::new(cluster_name, server, ca_pem, user, credentials)
}

#[cfg(test)]
mod tests;
