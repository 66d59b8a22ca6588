//! Check of the host's crun, for `--oci-runtime crun`.

use std::process::Command;
use usernetes_host::{CommandExt as _, Finding};

/// First version that accepts the OCI specification version of containerd 2.
const LEAST: (u32, u32) = (1, 9);

/// Checks that a crun is in `PATH` and new enough for the bundle's containerd.
pub fn check_crun() -> Finding {
    check_crun_version(Command::new("crun").arg("--version").run().ok().as_deref())
}

/// `version` is the output of `crun --version`; `None` if crun cannot be run.
pub(super) fn check_crun_version(version: Option<&str>) -> Finding {
    const CHECK: &str = "OciRuntime";
    const HINT: &str = "sudo apt-get install crun (Debian 13, Ubuntu 24.04 or later) or sudo dnf install crun (Fedora), or --oci-runtime runc";
    let Some(said) = version else {
        return Finding::error(CHECK, "crun is not in PATH, or does not run", HINT);
    };
    let word = said.lines().find_map(|line| line.strip_prefix("crun version ")).unwrap_or_default();
    let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    match numbers.next().zip(numbers.next()) {
        Some(version) if version >= LEAST => Finding::passed(CHECK),
        Some(_) => Finding::error(CHECK, format!("crun {word} is too old; {}.{} is needed", LEAST.0, LEAST.1), HINT),
        None => Finding::error(CHECK, "crun does not tell its version", HINT),
    }
}
