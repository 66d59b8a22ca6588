//! `preflight`: whether this host can be a node.

use super::{NodeData, checks};
use crate::errors::PreflightFailed;
use crate::workflow::Phase;
use anyhow::Result;

pub(super) const fn phase<D: AsMut<NodeData>>() -> Phase<D> {
    Phase::new("preflight", "Run pre-flight checks", run)
}

fn run<D: AsMut<NodeData>>(data: &mut D, _: &[&'static str]) -> Result<String> {
    let node = data.as_mut();
    let findings = checks::run_all(&node.session, &node.config);
    let errors = checks::errors(&findings);
    if errors.is_empty() {
        node.session.printer.findings(&findings);
        return Ok(checks::summarize(&findings));
    }
    // The errors are shown with the failure.
    node.session.printer.findings(&checks::warnings(&findings));
    Err(PreflightFailed(errors).into())
}
