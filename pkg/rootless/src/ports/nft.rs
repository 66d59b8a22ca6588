//! The bundle's `nft`.

use std::io;
use std::path::Path;
use std::process::Command;
use usernetes_host::Reaper;
use usernetes_host::process::Exit;

/// Rules could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NftError {
    /// `nft` could not be started.
    #[error("cannot run nft: {0}")]
    Start(io::Error),
    /// `nft` failed; its output is in the log.
    #[error("nft ended with {0}")]
    Rules(Exit),
}

/// Adds rules inside the node.
pub(super) async fn add_rules(nft: &Path, rules: &str, reaper: &Reaper) -> Result<(), NftError> {
    let running = reaper.spawn(Command::new(nft).arg(rules)).map_err(NftError::Start)?;
    match running.wait().await {
        Exit::Code(0) => Ok(()),
        exit => Err(NftError::Rules(exit)),
    }
}
