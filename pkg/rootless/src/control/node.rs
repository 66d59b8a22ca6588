//! State that the control server exposes.

use crate::Spec;
use crate::ports::PortManager;
use crate::protocol::ParentLink;
use serde_json::Value;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// A client's request for the payload.
#[derive(Debug)]
pub struct PayloadRequest {
    /// Request of the client.
    pub value: Value,
    /// Receiver of the answer; an `Err` is the error message for the client.
    pub reply: oneshot::Sender<Result<Value, String>>,
}

/// State of the node for the control server.
pub(crate) struct Node {
    pub(crate) spec: Arc<Spec>,
    pub(crate) host_pid: i32,
    pub(crate) started: SystemTime,
    pub(crate) parent: Arc<ParentLink>,
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) status: watch::Sender<Value>,
    pub(crate) ports: PortManager,
    pub(crate) requests: mpsc::Sender<PayloadRequest>,
    pub(crate) shutdown: CancellationToken,
}
