//! The connection to a cluster.

use crate::{Error, Verb};
use k8s_openapi::NamespaceResourceScope;
use kube::api::PatchParams;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Field manager of everything that we apply.
pub(crate) const MANAGER: &str = "usernetes-rs";
/// Longest time for a TCP connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maps a path inside the node to the path of the same file on its host.
type HostPath<'a> = &'a (dyn Fn(&Path) -> PathBuf + Sync);

/// A client of an API server, with credentials.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
}

impl Cluster {
    /// Makes a client from a kubeconfig and the files that it names. Sends nothing yet.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, Error> {
        Self::connect_from_outside(kubeconfig, &|path| path.to_owned()).await
    }

    /// The same on the host of a node, with a kubeconfig of the node: `host_path` maps the paths in it to the host's.
    pub async fn connect_from_outside(kubeconfig: &Path, host_path: HostPath<'_>) -> Result<Self, Error> {
        let config = read_kubeconfig(kubeconfig, host_path).await;
        let mut config =
            config.map_err(|source| Error::Kubeconfig { path: kubeconfig.to_owned(), source: Box::new(source) })?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        Self::from_config(config)
            .map_err(|source| Error::Client { path: kubeconfig.to_owned(), source: Box::new(source) })
    }

    pub(crate) fn from_config(config: Config) -> Result<Self, kube::Error> {
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { client: Client::try_from(config)?, server })
    }

    /// URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The kube client, for requests that this crate has no method for.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Version of the API server, such as `v1.36.3`.
    pub async fn version(&self) -> Result<String, Error> {
        let info = self.client.apiserver_version().await;
        Ok(info.map_err(Error::request(Verb::Get, format!("{}/version", self.server)))?.git_version)
    }

    pub(crate) fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client())
    }

    pub(crate) fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), namespace)
    }
}

async fn read_kubeconfig(path: &Path, host_path: HostPath<'_>) -> Result<Config, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::read_from(path)?;
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        for file in [&mut user.client_certificate, &mut user.client_key].into_iter().flatten() {
            *file = resolve_link(Path::new(file.as_str()), host_path).to_string_lossy().into_owned();
        }
    }
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // kube uses HTTPS_PROXY for every server, and the proxy of a host does not reach the user's own cluster.
    config.proxy_url = None;
    Ok(config)
}

/// The path on the host of a file of the node. The kubelet's certificate is a symbolic link to a path inside the node.
fn resolve_link(inside: &Path, host_path: HostPath<'_>) -> PathBuf {
    let path = host_path(inside);
    match path.read_link() {
        Ok(target) if target.is_absolute() => host_path(&target),
        _ => path,
    }
}

/// `Kind namespace/name`, for messages.
pub(crate) fn describe<K: Resource<DynamicType = ()>>(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{} {namespace}/{name}", K::kind(&())),
        None => format!("{} {name}", K::kind(&())),
    }
}

/// Parameters of our patches that are not server-side apply.
pub(crate) fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// Gets an object, `None` where there is none.
pub(crate) async fn get_opt<K>(api: &Api<K>, namespace: Option<&str>, name: &str) -> Result<Option<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    api.get_opt(name).await.map_err(Error::request(Verb::Get, describe::<K>(namespace, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_node_are_resolved_on_the_host() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let pki = dir.path().join("var/lib/kubelet/pki");
        std::fs::create_dir_all(&pki)?;
        std::os::unix::fs::symlink("/var/lib/kubelet/pki/dated.pem", pki.join("current.pem"))?;
        let host_path = |path: &Path| dir.path().join(path.strip_prefix("/").unwrap_or(path));
        assert_eq!(resolve_link(Path::new("/var/lib/kubelet/pki/current.pem"), &host_path), pki.join("dated.pem"));
        assert_eq!(resolve_link(Path::new("/var/lib/kubelet/pki/other.pem"), &host_path), pki.join("other.pem"));
        Ok(())
    }
}
