//! `preflight`: the checks of `init`, alone.

use super::args::DocumentArgs;
use crate::phases::checks;
use crate::session::Session;
use anyhow::Result;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct PreflightArgs {
    #[command(flatten)]
    documents: DocumentArgs,
}

pub(crate) fn run(session: &Session, args: &PreflightArgs) -> Result<ExitCode> {
    let config = args.documents.resolve_any(session)?;
    let findings = checks::run_all(session, &config);
    if session.printer.json() {
        session.printer.object(&findings);
    } else {
        session.printer.findings(&findings);
    }
    session.printer.result(&checks::summarize(&findings));
    Ok(ExitCode::from(if checks::errors(&findings).is_empty() { 0 } else { 2 }))
}
