//! Prepares the node, with the first transparent port, so that ports can keep the addresses of their clients.

use super::reply_routing::{self, ReplyRoutingError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::OnceCell;
use usernetes_host::Reaper;

/// Whether ports can keep the addresses of their clients. Cheap to clone.
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

    /// Prepares the node's network at the first call; returns whether that succeeded.
    pub(super) async fn ensure_prepared(&self) -> bool {
        *self.0.kept.get_or_init(|| self.set_up()).await
    }

    async fn set_up(&self) -> bool {
        let Some(nft) = &self.0.nft else { return false };
        let prepared: Result<(), ReplyRoutingError> = reply_routing::set_up(nft, &self.0.reaper).await;
        if let Err(error) = &prepared {
            tracing::warn!(%error, "cannot keep addresses of clients; servers inside see the node's address");
        }
        prepared.is_ok()
    }
}
