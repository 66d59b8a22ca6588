//! Client of the container runtime's own interface (CRI, `runtime.v1`): what the kubelet is not there for.

mod image_messages;
mod images;
mod messages;

pub(crate) use image_messages::Image;
pub(crate) use messages::Container;

use messages::{
    ContainerFilter, ContainerStateValue, ExecSyncRequest, ExecSyncResponse, ListContainersRequest,
    ListContainersResponse, PodSandboxStatusRequest, PodSandboxStatusResponse, StopContainerRequest,
    StopContainerResponse, VersionRequest, VersionResponse,
};
use prost::Message;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// `CONTAINER_RUNNING`.
const RUNNING: i32 = 1;
/// Time limit of a request that waits for nothing but the runtime itself.
const ANSWER: Duration = Duration::from_secs(5);
/// Time that a runtime gets beyond the limit that it was asked to keep.
const MARGIN: Duration = Duration::from_secs(2);

/// A request to the runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Its socket does not accept.
    #[error("cannot connect to the container runtime: {0}")]
    Connect(#[source] tonic::transport::Error),
    /// It answers with an error.
    #[error("{method}: {status}")]
    Status {
        /// Method of the interface.
        method: &'static str,
        /// Its answer.
        status: Box<tonic::Status>,
    },
    /// It does not answer.
    #[error("{method}: no answer within {limit:?}")]
    Late {
        /// Method of the interface.
        method: &'static str,
        /// Time limit.
        limit: Duration,
    },
    /// The command in a container failed.
    #[error("{command:?} ended with exit code {code}")]
    Command {
        /// Command.
        command: Vec<String>,
        /// Exit code.
        code: i32,
    },
}

/// A connection to the runtime. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RuntimeClient(Grpc<Channel>);

impl RuntimeClient {
    /// Connects to a unix socket.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, RuntimeError> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).map_err(RuntimeError::Connect)?;
        let channel = timeout(ANSWER, endpoint.connect()).await;
        let late = |_| RuntimeError::Late { method: "connect", limit: ANSWER };
        Ok(Self(Grpc::new(channel.map_err(late)?.map_err(RuntimeError::Connect)?)))
    }

    /// Asks for the runtime's version: it answers unless it hangs.
    pub(crate) async fn version(&self) -> Result<(), RuntimeError> {
        self.call::<_, VersionResponse>("Version", VersionRequest {}, ANSWER).await.map(drop)
    }

    /// Containers that run.
    pub(crate) async fn list_running(&self) -> Result<Vec<Container>, RuntimeError> {
        self.list_containers(Some(ContainerFilter { state: Some(ContainerStateValue { state: RUNNING }) })).await
    }

    /// Containers in the given state; all if there is no filter.
    async fn list_containers(&self, filter: Option<ContainerFilter>) -> Result<Vec<Container>, RuntimeError> {
        let request = ListContainersRequest { filter };
        Ok(self.call::<_, ListContainersResponse>("ListContainers", request, ANSWER).await?.containers)
    }

    /// Sends the container its stop signal, and SIGKILL after `grace`. Returns when it has ended.
    pub(crate) async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let request = StopContainerRequest { container_id: id.to_owned(), timeout: seconds(grace) };
        self.call::<_, StopContainerResponse>("StopContainer", request, grace + MARGIN).await.map(drop)
    }

    /// Runs a command in a container to its end.
    pub(crate) async fn exec(&self, id: &str, command: Vec<String>, limit: Duration) -> Result<(), RuntimeError> {
        let request =
            ExecSyncRequest { container_id: id.to_owned(), cmd: command.clone(), timeout: seconds(limit).max(1) };
        match self.call::<_, ExecSyncResponse>("ExecSync", request, limit + MARGIN).await?.exit_code {
            0 => Ok(()),
            code => Err(RuntimeError::Command { command, code }),
        }
    }

    /// Address of a pod; `None` for one in the node's own network.
    pub(crate) async fn pod_address(&self, sandbox: &str) -> Result<Option<String>, RuntimeError> {
        let request = PodSandboxStatusRequest { pod_sandbox_id: sandbox.to_owned() };
        let response: PodSandboxStatusResponse = self.call("PodSandboxStatus", request, ANSWER).await?;
        Ok(response.status.and_then(|s| s.network).map(|network| network.ip).filter(|ip| !ip.is_empty()))
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q, limit: Duration) -> Result<A, RuntimeError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call_service("RuntimeService", method, request, limit).await
    }

    async fn call_service<Q, A>(
        &self,
        service: &str,
        method: &'static str,
        request: Q,
        limit: Duration,
    ) -> Result<A, RuntimeError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.0.clone();
        let path = PathAndQuery::try_from(format!("/runtime.v1.{service}/{method}")).expect("a path");
        let answer = timeout(limit, async {
            let unready = |error| tonic::Status::unavailable(format!("{error}"));
            grpc.ready().await.map_err(unready)?;
            grpc.unary(tonic::Request::new(request), path, ProstCodec::default()).await
        });
        let answer = answer.await.map_err(|_| RuntimeError::Late { method, limit })?;
        let failed = |status| RuntimeError::Status { method, status: Box::new(status) };
        Ok(answer.map_err(failed)?.into_inner())
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::io;

    /// The supervisor tells its own want of descriptors from a runtime that hangs by the kernel's error.
    #[tokio::test]
    async fn errors_keep_the_error_of_the_kernel() {
        let directory = tempfile::tempdir().expect("a directory");
        let client = RuntimeClient::connect(&directory.path().join("socket")).await;
        let mut next: Option<&(dyn Error + 'static)> = client.as_ref().err().map(|error| error as _);
        let mut found = false;
        while let Some(error) = next {
            found |= error.downcast_ref::<io::Error>().is_some_and(|io| io.raw_os_error() == Some(2));
            next = error.source();
        }
        assert!(found, "{:?}", client.err());
    }
}
