//! A CNI plugin that waits until flanneld has written its subnet file, and then executes flannel's plugin.
//!
//! The kubelet reports a node as Ready only with a CNI configuration, and flanneld is a pod of a Ready node. A sandbox that
//! fails because the file is missing is retried only many seconds later.

use crate::file_watch;
use serde_json::{Value, json};
use std::env;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use usernetes_api::constants::FLANNEL_SUBNET_FILE;

/// Name (`argv[0]`) by which the program is this CNI plugin. flannel's plugin is in the same directory.
pub const PROGRAM_NAME: &str = "usernetes-flannel";

/// Limit of waiting: half of the kubelet's limit for a sandbox.
const LIMIT: Duration = Duration::from_mins(1);

/// Error code `try again later` of the CNI specification.
const TRY_AGAIN: u32 = 11;
/// First error code that plugins may define.
const OWN_CODE: u32 = 100;

/// A failed call. Its text is the error document of the CNI specification, for standard output.
#[derive(Debug, thiserror::Error)]
#[error("{document}")]
pub struct CniError {
    document: Value,
}

/// Handles one call of `program` (`argv[0]`). Returns only on failure, since flannel's plugin replaces the process.
pub fn run(program: &Path) -> Result<std::convert::Infallible, CniError> {
    if env::var_os("CNI_COMMAND").is_some_and(|command| command == "ADD") {
        wait_for_flannel(Path::new(FLANNEL_SUBNET_FILE), LIMIT).map_err(CniError::with_version)?;
    }
    // Not from CNI_PATH, which is empty when CRI-O queries the plugin's versions.
    let plugin = program.with_file_name("flannel");
    // flannel's plugin reads the same standard input and environment.
    let error = Command::new(&plugin).exec();
    Err(CniError::new(OWN_CODE, &format!("cannot execute {}", plugin.display()), &error.to_string()).with_version())
}

fn wait_for_flannel(file: &Path, limit: Duration) -> Result<(), CniError> {
    match file_watch::wait_for_file_within(file, limit) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CniError::new(
            TRY_AGAIN,
            &format!("flanneld has not written {} within {} s", file.display(), limit.as_secs()),
            "see the pods of namespace kube-flannel and their logs",
        )),
        Err(error) => Err(CniError::new(OWN_CODE, &format!("cannot watch for {}", file.display()), &error.to_string())),
    }
}

impl CniError {
    fn new(code: u32, msg: &str, details: &str) -> Self {
        Self { document: json!({ "cniVersion": "0.3.1", "code": code, "msg": msg, "details": details }) }
    }

    /// Sets `cniVersion` to the version of the call's configuration, as the specification requires.
    fn with_version(mut self) -> Self {
        let mut text = String::new();
        let config = std::io::stdin().read_to_string(&mut text).ok();
        let config = config.and_then(|_| serde_json::from_str::<Value>(&text).ok());
        if let Some(version) = config.and_then(|config| config.get("cniVersion").cloned()) {
            self.document["cniVersion"] = version;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_file_and_where_to_look() {
        let error = wait_for_flannel(Path::new("/nowhere/subnet.env"), Duration::ZERO).expect_err("not there");
        insta::assert_snapshot!(error, @r#"{"cniVersion":"0.3.1","code":11,"msg":"flanneld has not written /nowhere/subnet.env within 0 s","details":"see the pods of namespace kube-flannel and their logs"}"#);
    }
}
