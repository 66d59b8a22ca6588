//! The failure of a command: its causes, the findings of preflight, and hints.

use super::{Printer, print_error};
use crate::errors::{PreflightFailed, collect_hints};
use serde_json::json;

/// Prints the error and its causes, one a line, then what to do about it.
pub(crate) fn print_failure(error: &anyhow::Error, printer: &Printer, code: u8) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors repeat their source in their own message.
        if !causes.last().is_some_and(|last| last.contains(&cause)) {
            causes.push(cause);
        }
    }
    let hints = collect_hints(error);
    let findings = error.downcast_ref::<PreflightFailed>().map(|failed| failed.0.as_slice()).unwrap_or_default();
    if printer.json() {
        printer.event("error", json!({ "causes": causes, "hints": hints, "findings": findings, "exitCode": code }));
        return;
    }
    printer.findings(findings);
    for (depth, cause) in causes.iter().enumerate() {
        print_error(&format!("{}{cause}", if depth == 0 { "error: " } else { "  caused by: " }));
    }
    for hint in &hints {
        print_error(&format!("hint: {hint}"));
    }
}
