//! `version`: versions of this program and of the bundle in use.

use crate::session::Session;
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;
use usernetes_node::bundle::{self, Bundle};

pub(crate) fn run(session: &Session) -> Result<ExitCode> {
    let config = session.kept_config()?;
    let bundle = config.and_then(|config| bundle::find_bundle(&config, session.paths()).ok());
    let manifest = bundle.as_ref().map(Bundle::manifest);
    session.printer.object(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "bundle": manifest.map(|m| &m.name),
        "components": manifest.map(|m| &m.components),
    }));
    session.printer.result(&format!("usernetes-rs {}", env!("CARGO_PKG_VERSION")));
    for component in manifest.map(|m| m.components.as_slice()).unwrap_or_default() {
        session.printer.result(&format!("  {:<28} {}", component.name, component.version));
    }
    Ok(ExitCode::SUCCESS)
}
