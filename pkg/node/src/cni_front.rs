//! A CNI plugin in front of flannel's: waits until flanneld has written its subnet file.
//!
//! The kubelet needs a CNI configuration to call the node Ready, and flanneld needs a Ready node's pods; a sandbox
//! that fails for want of the file is tried again only many seconds later.

use crate::file_watch;
use serde_json::{Value, json};
use std::env;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use usernetes_api::constants::FLANNEL_SUBNET_FILE;

/// Called by this name (`argv[0]`), the program is the CNI plugin; flannel's lies beside the link.
pub const PROGRAM_NAME: &str = "usernetes-flannel";

/// Half of the time that the kubelet gives a sandbox.
const LIMIT: Duration = Duration::from_mins(1);

/// The specification's `try again later`.
const TRY_AGAIN: u32 = 11;
/// First of the codes that plugins may choose.
const OWN_CODE: u32 = 100;

/// Why the call failed; its text is the error document of the CNI specification, for standard output.
#[derive(Debug, thiserror::Error)]
#[error("{document}")]
pub struct CniError {
    document: Value,
}

/// Handles one call of `program` (`argv[0]`); does not come back unless it failed, since flannel's plugin takes over the process.
pub fn run(program: &Path) -> Result<std::convert::Infallible, CniError> {
    if env::var_os("CNI_COMMAND").is_some_and(|command| command == "ADD") {
        wait_for_flannel(Path::new(FLANNEL_SUBNET_FILE), LIMIT).map_err(CniError::with_version)?;
    }
    // Not by CNI_PATH, which holds no path when CRI-O asks for the plugin's versions.
    let plugin = program.with_file_name("flannel");
    // Standard input is still unread, the environment unchanged: all of the call is flannel's.
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

    /// An error is answered in the version of the call's configuration.
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
