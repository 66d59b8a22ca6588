//! Whether ports can keep the addresses of their clients: found out, and prepared, with the first that shall.

use super::reply_routing::{self, ReplyRoutingError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OnceCell;
use usernetes_host::Reaper;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct ClientAddresses(Arc<Shared>);

struct Shared {
    nft: Option<PathBuf>,
    reaper: Reaper,
    kept: OnceCell<bool>,
}

impl ClientAddresses {
    pub(crate) fn new(nft: Option<PathBuf>, reaper: Reaper) -> Self {
        Self(Arc::new(Shared { nft, reaper, kept: OnceCell::new() }))
    }

    /// Prepares the node's network the first time; whether that succeeded.
    pub(super) async fn keep(&self) -> bool {
        *self.0.kept.get_or_init(|| self.prepare()).await
    }

    async fn prepare(&self) -> bool {
        let Some(nft) = &self.0.nft else { return false };
        let prepared: Result<(), ReplyRoutingError> = reply_routing::keep(nft, &self.0.reaper).await;
        if let Err(error) = &prepared {
            tracing::warn!(%error, "clients' addresses are lost: pods see the node's instead");
        }
        prepared.is_ok()
    }
}
