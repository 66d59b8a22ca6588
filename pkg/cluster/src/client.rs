//! The connection to a cluster.

use crate::{Error, Verb};
use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

/// Field manager of everything that we apply.
pub(crate) const MANAGER: &str = "usernetes-rs";
/// A host that answers no SYN for so long will not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster and the right to speak to it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
}

impl Cluster {
    /// Reads a kubeconfig with the files that it names; nothing is sent yet.
    pub async fn connect(kubeconfig: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Kubeconfig { path: kubeconfig.to_owned(), source: Box::new(source) };
        let mut config = read(kubeconfig).await.map_err(unusable)?;
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

async fn read(path: &Path) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // kube takes HTTPS_PROXY for every server; a host's proxy does not reach the user's own cluster.
    config.proxy_url = None;
    Ok(config)
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
