//! A CNI plugin in front of flannel's: waits until flanneld has written its subnet file.
//!
//! The kubelet needs a CNI configuration to call the node Ready, and flanneld needs a Ready node's pods; a sandbox
//! that fails for want of the file is tried again only many seconds later.

use crate::file_watch;
use serde_json::{Value, json};
use std::env;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
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

/// Handles one call; does not come back unless it failed, since flannel's plugin takes over the process.
pub fn run() -> Result<std::convert::Infallible, CniError> {
    if env::var_os("CNI_COMMAND").is_some_and(|command| command == "ADD") {
        wait_for_flannel(Path::new(FLANNEL_SUBNET_FILE), LIMIT).map_err(CniError::with_version)?;
    }
    let plugin = plugin(env::var_os("CNI_PATH").as_deref());
    // Standard input is still unread, the environment unchanged: all of the call is flannel's.
    let error = Command::new(&plugin).exec();
    Err(CniError::new(OWN_CODE, &format!("cannot execute {}", plugin.display()), &error.to_string()).with_version())
}

fn wait_for_flannel(file: &Path, limit: Duration) -> Result<(), CniError> {
    match file_watch::appears_within(file, limit) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CniError::new(
            TRY_AGAIN,
            &format!("flanneld has not written {} within {} s", file.display(), limit.as_secs()),
            "see the pods of namespace kube-flannel and their logs",
        )),
        Err(error) => Err(CniError::new(OWN_CODE, &format!("cannot watch for {}", file.display()), &error.to_string())),
    }
}

/// flannel's plugin in the first folder of `CNI_PATH` that has it.
fn plugin(path: Option<&OsStr>) -> PathBuf {
    let folders = env::split_paths(path.unwrap_or_default()).collect::<Vec<_>>();
    let plugins = folders.iter().map(|folder| folder.join("flannel"));
    plugins.clone().find(|plugin| plugin.exists()).or(plugins.clone().next_back()).unwrap_or("flannel".into())
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

    #[test]
    fn finds_the_plugin_on_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("flannel"), "").expect("written");
        let path = env::join_paths([Path::new("/nowhere"), folder.path(), Path::new("/else")]).expect("a path");
        assert_eq!(plugin(Some(&path)), folder.path().join("flannel"));
        assert_eq!(plugin(Some(OsStr::new("/nowhere"))), Path::new("/nowhere/flannel"));
        assert_eq!(plugin(None), Path::new("flannel"));
    }
}
