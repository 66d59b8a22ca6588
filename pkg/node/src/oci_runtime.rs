//! A wrapper of the OCI runtime: removes from a container's configuration what a rootless node does not support, and executes
//! runc or crun.
//!
//! Without delegated cgroups it removes all cgroup settings: containerd 2 has no option to leave them out, and a runtime fails
//! if it cannot create a cgroup. For pods with `hostUsers: false` it removes id maps of mounts ([`id_maps`]). It is executed
//! several times for every container, so it only rewrites one file.

mod crio_cgroup;
mod id_maps;

use serde_json::Value;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name (`argv[0]`) by which the program is the OCI runtime that keeps cgroup settings.
pub const PROGRAM_NAME: &str = "usernetes-oci-runtime";
/// Name (`argv[0]`) by which the program is the OCI runtime that removes cgroup settings.
pub const WITHOUT_CGROUPS: &str = "usernetes-oci-runtime-without-cgroups";
/// Name of the link to runc or crun, in the same directory.
pub const BEHIND: &str = "oci-runtime-behind";

/// runc's global flags that take a value as the next argument.
const WITH_VALUE: [&str; 5] = ["--root", "--log", "--log-format", "--criu", "--rootless"];

/// Why the OCI runtime could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum OciRuntimeError {
    /// The bundle's `config.json` could not be read or written.
    #[error("cannot rewrite {}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
    /// runc or crun could not be executed.
    #[error("cannot execute {}", path.display())]
    Exec {
        /// Path of the link to it.
        path: PathBuf,
        /// Underlying error.
        source: io::Error,
    },
}

/// Handles one call with these arguments, `argv[0]` first. Returns `Ok` only if the runtime has nothing to do; otherwise the
/// runtime replaces this process.
pub fn run(argv: &[OsString]) -> Result<(), OciRuntimeError> {
    let (program, args) = argv.split_first().map_or((Path::new(""), [].as_slice()), |(p, a)| (Path::new(p), a));
    let without_cgroups = program.file_name().is_some_and(|name| name == WITHOUT_CGROUPS);
    let (command, rest) = find_command(args);
    match command.and_then(OsStr::to_str) {
        // Limits are not applied, so changing them always succeeds.
        Some("update") if without_cgroups => return Ok(()),
        Some("create" | "run" | "restore") => {
            rewrite_config(&bundle_directory(rest).join("config.json"), without_cgroups)?;
        }
        _ => {}
    }
    let path = program.with_file_name(BEHIND);
    let mut behind = Command::new(&path);
    // Unlike runc, crun creates a cgroup if the configuration names none.
    if without_cgroups && path.read_link().is_ok_and(|program| program.ends_with("crun")) {
        behind.arg("--cgroup-manager=disabled");
    }
    let source = behind.args(args).exec();
    Err(OciRuntimeError::Exec { path, source })
}

/// The command in runc's arguments, and the arguments after it.
fn find_command(args: &[OsString]) -> (Option<&OsStr>, &[OsString]) {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        rest = if WITH_VALUE.iter().any(|flag| word == flag) {
            after.get(1..).unwrap_or_default()
        } else if word.as_bytes().starts_with(b"-") {
            after
        } else {
            return (Some(word), after);
        };
    }
    (None, rest)
}

/// Directory of the OCI bundle: the value of `--bundle`, else the current directory.
fn bundle_directory(args: &[OsString]) -> PathBuf {
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--bundle" || word == "-b" {
            return words.next().map(PathBuf::from).unwrap_or_default();
        }
        if let Some(value) = word.as_bytes().strip_prefix(b"--bundle=") {
            return OsStr::from_bytes(value).into();
        }
    }
    PathBuf::new()
}

fn rewrite_config(path: &Path, without_cgroups: bool) -> Result<(), OciRuntimeError> {
    let spec = edit_config(path, without_cgroups);
    // Not through a temporary file: no other process reads it before the runtime, and a crash leaves no container behind.
    spec.and_then(|spec| std::fs::write(path, spec))
        .map_err(|source| OciRuntimeError::Config { path: path.to_owned(), source })
}

/// The edited text of `config.json`.
fn edit_config(path: &Path, without_cgroups: bool) -> io::Result<Vec<u8>> {
    let mut spec: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    if without_cgroups && let Some(linux) = spec.get_mut("linux").and_then(Value::as_object_mut) {
        linux.shift_remove("cgroupsPath");
        linux.shift_remove("resources");
    }
    if !without_cgroups {
        crio_cgroup::name_cgroup(&mut spec, Path::new("/sys/fs/cgroup"));
    }
    if let Some(Value::Array(mounts)) = spec.get_mut("mounts") {
        id_maps::adjust_mounts(mounts)?;
    }
    Ok(serde_json::to_vec(&spec)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn parsed(line: &str) -> (Option<String>, PathBuf) {
        let words = words(line);
        let (command, rest) = find_command(&words);
        (command.map(|c| c.to_string_lossy().into_owned()), bundle_directory(rest))
    }

    #[test]
    fn finds_command_and_bundle_as_containerd_writes_them() {
        let line = "--root /run/containerd/runc/k8s.io --log /x/log.json --log-format json create --bundle /x --pid-file /x/p ID";
        assert_eq!(parsed(line), (Some("create".into()), "/x".into()));
        assert_eq!(parsed("--systemd-cgroup --rootless=true run --bundle=/y ID"), (Some("run".into()), "/y".into()));
        assert_eq!(parsed("--root create delete ID"), (Some("delete".into()), "".into()));
        assert_eq!(parsed("--version"), (None, "".into()));
        assert_eq!(parsed("--root"), (None, "".into()));
    }

    #[test]
    fn takes_out_cgroups_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.json");
        let spec = r#"{"ociVersion":"1.3.0","linux":{"uidMappings":[],"resources":{"devices":[]},"cgroupsPath":"/a","namespaces":[{"type":"pid"}]},"hostname":"x"}"#;
        std::fs::write(&path, spec).expect("written");
        rewrite_config(&path, true).expect("rewritten");
        insta::assert_snapshot!(std::fs::read_to_string(&path).expect("read"), @r#"{"ociVersion":"1.3.0","linux":{"uidMappings":[],"namespaces":[{"type":"pid"}]},"hostname":"x"}"#);
    }

    #[test]
    fn update_succeeds_without_runc() {
        run(&words("/nowhere/usernetes-oci-runtime-without-cgroups --root /r update --resources - ID")).expect("done");
        run(&words("/nowhere/usernetes-oci-runtime --root /r update --resources - ID")).expect_err("runc's to do");
    }

    #[test]
    fn says_what_is_missing() {
        let error = run(&words("/nowhere/usernetes-oci-runtime state ID")).expect_err("nothing behind");
        assert_eq!(error.to_string(), "cannot execute /nowhere/oci-runtime-behind");
    }

    #[test]
    fn takes_out_id_maps_of_disks_and_nothing_else() {
        let directory = tempfile::tempdir_in(".").expect("a directory on a disk");
        let (path, source) = (directory.path().join("config.json"), directory.path().canonicalize().expect("a path"));
        let source = source.display();
        let spec = format!(
            r#"{{"mounts":[{{"destination":"/a","source":"{source}","options":["rbind","idmap"],
            "uidMappings":[{{"containerID":0,"hostID":65536,"size":65536}}],"gidMappings":[{{"containerID":0,"hostID":65536,"size":65536}}]}},
            {{"destination":"/proc","type":"proc"}}],"linux":{{"cgroupsPath":"/a"}}}}"#
        );
        std::fs::write(&path, spec).expect("written");
        rewrite_config(&path, false).expect("rewritten");
        let left = std::fs::read_to_string(&path).expect("read").replace(&source.to_string(), "SOURCE");
        insta::assert_snapshot!(left, @r#"{"mounts":[{"destination":"/a","source":"SOURCE","options":["rbind"]},{"destination":"/proc","type":"proc"}],"linux":{"cgroupsPath":"/a"}}"#);
    }

    #[test]
    fn says_which_config_cannot_be_read() {
        let error = run(&words("/nowhere/usernetes-oci-runtime create --bundle /nowhere ID")).expect_err("no bundle");
        assert_eq!(error.to_string(), "cannot rewrite /nowhere/config.json");
    }
}
