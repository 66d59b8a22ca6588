//! The container runtime of a node: the bundle's containerd, or the CRI-O of the host with the programs it needs.

use crate::{ComponentName, config};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use usernetes_api::{ContainerRuntime, constants as c};
use usernetes_host::env::find_program;

/// Path inside the node of the directory in which images are unpacked. `/run` is a tmpfs, and images are large.
pub const CRIO_TMP_DIR: &str = "/var/lib/containers/tmp";

/// The container runtime that the kubelet uses, and where its programs are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cri {
    /// The bundle's containerd.
    #[default]
    Containerd,
    /// The host's CRI-O.
    CriO(CrioPrograms),
}

/// Absolute paths of CRI-O and of the programs that it needs, as found on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrioPrograms {
    /// CRI-O.
    pub crio: PathBuf,
    /// Monitors one container; its parent process.
    pub conmon: PathBuf,
    /// Creates the namespaces of a pod.
    pub pinns: PathBuf,
    /// Copies image archives into CRI-O's storage; CRI-O itself only pulls from registries.
    pub skopeo: PathBuf,
}

/// CRI-O, or a program that it needs, is not installed on the host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{program} is neither in PATH nor in {}", DIRECTORIES.join(", "))]
pub struct MissingProgramError {
    program: &'static str,
}

impl MissingProgramError {
    /// How to install the program.
    pub fn hint(&self) -> Option<String> {
        Some(match self.program {
            "crio" | "pinns" => {
                "install CRI-O 1.34 or later (package cri-o, see https://cri-o.io; its service need not run), or leave --cri-socket out"
                    .to_owned()
            }
            program => format!("sudo apt-get install {program} (Debian, Ubuntu) or sudo dnf install {program} (Fedora)"),
        })
    }
}

/// Directories outside of `PATH` in which distributions install programs that only other programs call.
const DIRECTORIES: [&str; 5] =
    ["/usr/libexec/crio", "/usr/lib/crio", "/usr/local/libexec/crio", "/usr/libexec/podman", "/usr/lib/podman"];

impl Cri {
    /// Finds the programs of a runtime on the host. containerd needs none: it is in the bundle.
    pub fn find(runtime: ContainerRuntime) -> Result<Self, MissingProgramError> {
        match runtime {
            ContainerRuntime::Containerd => Ok(Self::Containerd),
            ContainerRuntime::CriO => CrioPrograms::find().map(Self::CriO),
        }
    }

    fn runtime(&self) -> ContainerRuntime {
        match self {
            Self::Containerd => ContainerRuntime::Containerd,
            Self::CriO(_) => ContainerRuntime::CriO,
        }
    }

    /// Name of the runtime's component.
    pub fn component(&self) -> ComponentName {
        match self {
            Self::Containerd => ComponentName::Containerd,
            Self::CriO(_) => ComponentName::Crio,
        }
    }

    /// Path of the CRI socket inside the node.
    pub fn socket(&self) -> &'static str {
        self.runtime().socket()
    }

    /// Directory of the runtime's image store inside the node.
    pub fn store(&self) -> &'static str {
        match self {
            Self::Containerd => c::CONTAINERD_DIR,
            Self::CriO(_) => c::CRIO_STORAGE_DIR,
        }
    }
}

impl CrioPrograms {
    /// Finds the programs in `PATH`, else in the directories that distributions use.
    pub fn find() -> Result<Self, MissingProgramError> {
        Ok(Self {
            crio: find_crio_program("crio")?,
            conmon: find_crio_program("conmon")?,
            pinns: find_crio_program("pinns")?,
            skopeo: find_crio_program("skopeo")?,
        })
    }

    /// Command to run inside the node that copies an image into CRI-O's storage. `from` is in skopeo's notation
    /// (containers-transports(5)), `reference` the image's full name.
    pub fn copy_command(&self, from: &str, reference: &str) -> Vec<OsString> {
        let mut words = vec![OsString::from("/usr/bin/env")];
        words.extend(storage_env().map(|(name, value)| format!("{name}={value}").into()));
        words.push(format!("TMPDIR={CRIO_TMP_DIR}").into());
        words.push(self.skopeo.clone().into());
        let to = format!("containers-storage:{reference}");
        words.extend(["copy", "--quiet", "--insecure-policy", from, &to].map(OsString::from));
        words
    }
}

/// Environment of programs that open the storage. Without `HOME` they would read configuration of the host's root in
/// `/root`.
pub(crate) fn storage_env() -> [(String, String); 2] {
    [("CONTAINERS_STORAGE_CONF", config::CRIO_STORAGE_FILE), ("HOME", c::CRIO_DIR)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn find_crio_program(program: &'static str) -> Result<PathBuf, MissingProgramError> {
    let found = find_program(program)
        .or_else(|| DIRECTORIES.iter().map(|directory| Path::new(directory).join(program)).find(|path| path.is_file()));
    found.ok_or(MissingProgramError { program })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn programs() -> CrioPrograms {
        CrioPrograms {
            crio: "/usr/bin/crio".into(),
            conmon: "/usr/libexec/crio/conmon".into(),
            pinns: "/usr/bin/pinns".into(),
            skopeo: "/usr/bin/skopeo".into(),
        }
    }

    #[test]
    fn an_archive_is_copied_into_the_storage() {
        let words = programs().copy_command("docker-archive:/b/pause.tar", "registry.example/pause:1");
        insta::assert_snapshot!(words.join(std::ffi::OsStr::new(" ")).to_string_lossy(), @"/usr/bin/env CONTAINERS_STORAGE_CONF=/var/lib/containers/storage.conf HOME=/var/lib/containers TMPDIR=/var/lib/containers/tmp /usr/bin/skopeo copy --quiet --insecure-policy docker-archive:/b/pause.tar containers-storage:registry.example/pause:1");
    }

    #[test]
    fn what_is_missing_is_named_with_its_hint() {
        let missing = find_crio_program("no-such-program").expect_err("not there");
        insta::assert_snapshot!(missing, @"no-such-program is neither in PATH nor in /usr/libexec/crio, /usr/lib/crio, /usr/local/libexec/crio, /usr/libexec/podman, /usr/lib/podman");
        insta::assert_snapshot!(missing.hint().unwrap(), @"sudo apt-get install no-such-program (Debian, Ubuntu) or sudo dnf install no-such-program (Fedora)");
        insta::assert_snapshot!(MissingProgramError { program: "pinns" }.hint().unwrap(), @"install CRI-O 1.34 or later (package cri-o, see https://cri-o.io; its service need not run), or leave --cri-socket out");
    }
}
