//! Checks that need an attempt: namespaces with id maps, and mounts in them.

mod links;
mod stage;

pub(crate) use stage::{run_probe_stage, run_proc_stage};

use crate::protocol::Outcome;
use crate::userns::{self, NestedKind, Stage, SubIds, UsernsError, nested};
use std::path::{Path, PathBuf};
use usernetes_api::join_causes;
use usernetes_host::Finding;

const USERNS: &str = "UserNamespace";
const OTHER_FINDINGS: &str =
    "see the findings Newuidmap, SubID, UsernsSysctl and AppArmorUserns; in a container, allow nested user namespaces";
const OVERLAY: &str = "OverlayInUserns";
const KERNEL: &str = "overlay";
const FUSE: &str = "fuse-overlayfs";
const OWN_PROC: &str = "OwnProc";
const PROC: &str = "/proc";
const SYS: &str = "/sys";
const SECCOMP: &str = "Seccomp";
const HOST_NAME: &str = "sethostname";

/// Implementation of overlay mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The kernel's overlayfs.
    Kernel,
    /// The host's fuse-overlayfs.
    Fuse,
    /// None: image layers are copied.
    None,
}

/// `UserNamespace`, `Seccomp`, `KernelModules`, `OwnProc` and `OverlayInUserns`.
pub(super) fn check_namespaces(state_dir: &Path) -> Vec<Finding> {
    match run_probe(state_dir) {
        Ok(report) => {
            vec![
                Finding::passed(USERNS),
                report.seccomp_finding(),
                links::modules_finding(&report.outcomes),
                report.own_proc_finding(),
                report.overlay_finding(),
            ]
        }
        Err(error) => vec![Finding::error(
            USERNS,
            format!("cannot make namespaces with the user's ids: {}", join_causes(&error)),
            error.hint().unwrap_or_else(|| OTHER_FINDINGS.to_owned()),
        )],
    }
}

/// Results of the mounts that were tried.
pub(super) struct ProbeReport {
    directory: PathBuf,
    outcomes: Vec<Outcome>,
}

impl ProbeReport {
    pub(super) fn best_overlay(&self) -> Overlay {
        if self.succeeded(KERNEL) {
            Overlay::Kernel
        } else if self.succeeded(FUSE) {
            Overlay::Fuse
        } else {
            Overlay::None
        }
    }

    /// Container engines choose the filter by the container's capabilities in its own user namespace, regardless of
    /// those in nested ones.
    fn seccomp_finding(&self) -> Finding {
        match self.failure_of(HOST_NAME) {
            None => Finding::passed(SECCOMP),
            Some(why) => {
                let message = format!("a seccomp filter prevents nodes and pods from setting their host name: {why}");
                Finding::error(SECCOMP, message, container_options())
            }
        }
    }

    /// The kernel allows a new instance only if an existing one is fully visible; container engines cover parts of it.
    fn own_proc_finding(&self) -> Finding {
        let hidden = [PROC, SYS].iter().find_map(|what| Some((what, self.failure_of(what)?)));
        match hidden {
            None => Finding::passed(OWN_PROC),
            Some((what, why)) => {
                let message =
                    format!("a node cannot mount its own {what}: {why}; parts of it are covered or read-only");
                Finding::error(OWN_PROC, message, container_options())
            }
        }
    }

    fn succeeded(&self, what: &str) -> bool {
        self.outcomes.iter().any(|outcome| outcome.what == what && outcome.failure.is_none())
    }

    fn failure_of(&self, what: &str) -> Option<&str> {
        self.outcomes.iter().find(|outcome| outcome.what == what)?.failure.as_deref()
    }

    fn overlay_finding(&self) -> Finding {
        let directory = self.directory.display();
        let kernel = self.failure_of(KERNEL).unwrap_or_default();
        let fuse = self.failure_of(FUSE).unwrap_or_default();
        match self.best_overlay() {
            Overlay::Kernel => Finding::passed(OVERLAY),
            Overlay::Fuse => Finding::warning(
                OVERLAY,
                format!("overlay mounts do not work below {directory}: {kernel}; fuse-overlayfs works, but is slower"),
                "keep the state on ext4, xfs or btrfs (set XDG_DATA_HOME), with kernel 5.11 or later",
            ),
            Overlay::None => Finding::warning(
                OVERLAY,
                format!(
                    "overlay mounts do not work below {directory}: {kernel}; nor does fuse-overlayfs: {fuse}; images take more space and time"
                ),
                "keep the state on ext4, xfs or btrfs (set XDG_DATA_HOME), with kernel 5.11 or later, or sudo apt-get install fuse-overlayfs fuse3",
            ),
        }
    }
}

fn container_options() -> &'static str {
    nested().map_or(NestedKind::Other, |nested| nested.kind).container_options()
}

/// Tries the mounts below `state_dir`; an error if no namespaces can be made.
pub(super) fn run_probe(state_dir: &Path) -> Result<ProbeReport, UsernsError> {
    let directory = state_dir.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/"));
    let outcomes = userns::collect_report(Stage::Probe, &SubIds::current()?, &[directory])?;
    Ok(ProbeReport { directory: directory.to_owned(), outcomes })
}
