//! The container runtime of a node: the bundle's containerd, or the CRI-O of the host with the programs it needs.

use crate::{ComponentName, config};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use usernetes_api::{ContainerRuntime, constants as c};
use usernetes_host::env::find_program;

/// Inside the node: where images lie while they are unpacked. `/run` is memory, and images are large.
pub const CRIO_TMP_DIR: &str = "/var/lib/containers/tmp";

/// What runs pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cri {
    /// The bundle's containerd.
    #[default]
    Containerd,
    /// The host's CRI-O.
    CriO(CrioPrograms),
}

/// CRI-O and what it does not work without, as found on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrioPrograms {
    /// CRI-O.
    pub crio: PathBuf,
    /// Holds a container.
    pub conmon: PathBuf,
    /// Makes the namespaces of a pod.
    pub pinns: PathBuf,
    /// Puts images into CRI-O's storage, for which CRI-O itself wants a registry.
    pub skopeo: PathBuf,
}

/// A program of CRI-O's that the host does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{program} is neither in PATH nor in {}", DIRECTORIES.join(", "))]
pub struct NoCrio {
    program: &'static str,
}

impl NoCrio {
    /// The command that helps.
    pub fn hint(&self) -> String {
        match self.program {
            "crio" | "pinns" => {
                "install CRI-O 1.34 or later (package cri-o, see https://cri-o.io; its service need not run), or leave --cri-socket out"
                    .to_owned()
            }
            program => format!("sudo apt-get install {program} (Debian, Ubuntu) or sudo dnf install {program} (Fedora)"),
        }
    }
}

/// Where distributions put programs that only other programs call.
const DIRECTORIES: [&str; 5] =
    ["/usr/libexec/crio", "/usr/lib/crio", "/usr/local/libexec/crio", "/usr/libexec/podman", "/usr/lib/podman"];

impl Cri {
    /// Finds what a runtime consists of.
    pub fn find(runtime: ContainerRuntime) -> Result<Self, NoCrio> {
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

    /// The component that is started.
    pub fn component(&self) -> ComponentName {
        match self {
            Self::Containerd => ComponentName::Containerd,
            Self::CriO(_) => ComponentName::Crio,
        }
    }

    /// Its socket inside the node.
    pub fn socket(&self) -> &'static str {
        self.runtime().socket()
    }

    /// Inside the node: the directory of its images.
    pub fn store(&self) -> &'static str {
        match self {
            Self::Containerd => c::CONTAINERD_DIR,
            Self::CriO(_) => c::CRIO_STORAGE_DIR,
        }
    }
}

impl CrioPrograms {
    /// Finds them in `PATH` or where distributions put them.
    pub fn find() -> Result<Self, NoCrio> {
        Ok(Self { crio: find("crio")?, conmon: find("conmon")?, pinns: find("pinns")?, skopeo: find("skopeo")? })
    }

    /// The command, for the inside of the node, that copies an image in one of skopeo's notations into the storage.
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

/// For programs that open the storage. `/root`, which they would read, is the home of the host's root.
pub(crate) fn storage_env() -> [(String, String); 2] {
    [("CONTAINERS_STORAGE_CONF", config::CRIO_STORAGE_FILE), ("HOME", c::CRIO_DIR)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn find(program: &'static str) -> Result<PathBuf, NoCrio> {
    let beside = || DIRECTORIES.iter().map(|directory| Path::new(directory).join(program)).find(|path| path.is_file());
    find_program(program).or_else(beside).ok_or(NoCrio { program })
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
        let missing = find("no-such-program").expect_err("not there");
        insta::assert_snapshot!(missing, @"no-such-program is neither in PATH nor in /usr/libexec/crio, /usr/lib/crio, /usr/local/libexec/crio, /usr/libexec/podman, /usr/lib/podman");
        insta::assert_snapshot!(missing.hint(), @"sudo apt-get install no-such-program (Debian, Ubuntu) or sudo dnf install no-such-program (Fedora)");
        insta::assert_snapshot!(NoCrio { program: "pinns" }.hint(), @"install CRI-O 1.34 or later (package cri-o, see https://cri-o.io; its service need not run), or leave --cri-socket out");
    }
}
