//! The connection to a cluster.

use crate::{Error, Verb};
use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Field manager of everything that we apply.
pub(crate) const MANAGER: &str = "usernetes-rs";
/// A host that answers no SYN for so long will not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a file of a node lies on its host.
type Outside<'a> = &'a (dyn Fn(&Path) -> PathBuf + Sync);

/// A cluster and the right to speak to it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
}

impl Cluster {
    /// Reads a kubeconfig with the files that it names; nothing is sent yet.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, Error> {
        Self::connect_from_outside(kubeconfig, &|path| path.to_owned()).await
    }

    /// The same with a kubeconfig of a node, seen from its host: `outside` says where a file of the node lies here.
    pub async fn connect_from_outside(kubeconfig: &Path, outside: Outside<'_>) -> Result<Self, Error> {
        let unusable = |source| Error::Kubeconfig { path: kubeconfig.to_owned(), source: Box::new(source) };
        let mut config = read(kubeconfig, outside).await.map_err(unusable)?;
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

    /// For requests that this crate has no word for.
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

async fn read(path: &Path, outside: Outside<'_>) -> Result<Config, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::read_from(path)?;
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        for file in [&mut user.client_certificate, &mut user.client_key].into_iter().flatten() {
            *file = seen(Path::new(file.as_str()), outside).to_string_lossy().into_owned();
        }
    }
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // kube takes HTTPS_PROXY for every server; a host's proxy does not reach the user's own cluster.
    config.proxy_url = None;
    Ok(config)
}

/// A file of the node as its host sees it. The kubelet's certificate is a symbolic link with a path of the node in it.
fn seen(inside: &Path, outside: Outside<'_>) -> PathBuf {
    let path = outside(inside);
    match path.read_link() {
        Ok(target) if target.is_absolute() => outside(&target),
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
    fn a_link_of_the_node_is_followed_on_the_host() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let folder = dir.path().join("var/lib/kubelet/pki");
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink("/var/lib/kubelet/pki/dated.pem", folder.join("current.pem"))?;
        let outside = |path: &Path| dir.path().join(path.strip_prefix("/").unwrap_or(path));
        assert_eq!(seen(Path::new("/var/lib/kubelet/pki/current.pem"), &outside), folder.join("dated.pem"));
        assert_eq!(seen(Path::new("/var/lib/kubelet/pki/other.pem"), &outside), folder.join("other.pem"));
        Ok(())
    }
}
