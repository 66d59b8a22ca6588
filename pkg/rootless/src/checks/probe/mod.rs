//! What only trying shows: namespaces with maps, and mounts in them.

mod stage;

pub(crate) use stage::{main, proc_main};

use crate::protocol::{Outcome, ToParent, unexpected};
use crate::userns;
use crate::userns::Stage;
use crate::userns::SubIds;
use crate::userns::{NestedKind, nested};
use std::path::{Path, PathBuf};
use usernetes_host::Finding;

const USERNS: &str = "UserNamespace";
const OVERLAY: &str = "OverlayInUserns";
const KERNEL: &str = "overlay";
const FUSE: &str = "fuse-overlayfs";
const OWN_PROC: &str = "OwnProc";
const PROC: &str = "/proc";
const SYS: &str = "/sys";
const SECCOMP: &str = "Seccomp";
const HOST_NAME: &str = "sethostname";

/// What lays file trees over each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The kernel.
    Kernel,
    /// The host's fuse-overlayfs.
    Fuse,
    /// Nothing: trees are copied.
    None,
}

/// `UserNamespace`, `Seccomp`, `OwnProc` and `OverlayInUserns`.
pub(super) fn namespaces(state_dir: &Path) -> Vec<Finding> {
    match try_out(state_dir) {
        Ok(tried) => vec![Finding::passed(USERNS), tried.seccomp(), tried.own_proc(), tried.overlay()],
        Err(message) => vec![Finding::error(
            USERNS,
            format!("namespaces with the user's ids cannot be made: {message}"),
            "see the findings Newuidmap, SubID, UsernsSysctl and AppArmorUserns; in a container: allow nested user namespaces",
        )],
    }
}

/// What came of the mounts that were tried.
pub(super) struct Tried {
    folder: PathBuf,
    outcomes: Vec<Outcome>,
}

impl Tried {
    pub(super) fn best(&self) -> Overlay {
        let works = |what| self.outcomes.iter().any(|outcome| outcome.what == what && outcome.failure.is_none());
        if works(KERNEL) {
            Overlay::Kernel
        } else if works(FUSE) {
            Overlay::Fuse
        } else {
            Overlay::None
        }
    }

    /// Engines filter by the capabilities that a container has in its own user namespace, whatever it has in further ones.
    fn seccomp(&self) -> Finding {
        match self.why(HOST_NAME) {
            None => Finding::passed(SECCOMP),
            Some(why) => {
                let message = format!("a filter of system calls keeps nodes and pods from naming themselves: {why}");
                Finding::error(SECCOMP, message, options())
            }
        }
    }

    /// The kernel makes a new instance only for who sees the whole of an old one: engines cover parts of it.
    fn own_proc(&self) -> Finding {
        let hidden = [PROC, SYS].iter().find_map(|what| Some((what, self.why(what)?)));
        match hidden {
            None => Finding::passed(OWN_PROC),
            Some((what, why)) => {
                let message =
                    format!("a node cannot have {what} of its own: {why}; parts of this one are covered or read-only");
                Finding::error(OWN_PROC, message, options())
            }
        }
    }

    fn why(&self, what: &str) -> Option<&str> {
        self.outcomes.iter().find(|outcome| outcome.what == what)?.failure.as_deref()
    }

    fn overlay(&self) -> Finding {
        let folder = self.folder.display();
        let (kernel, fuse) = (self.why(KERNEL).unwrap_or_default(), self.why(FUSE).unwrap_or_default());
        match self.best() {
            Overlay::Kernel => Finding::passed(OVERLAY),
            Overlay::Fuse => Finding::warning(
                OVERLAY,
                format!("overlay mounts do not work below {folder}: {kernel}; fuse-overlayfs does, and is slower"),
                "keep the state on ext4, xfs or btrfs (set XDG_DATA_HOME), with kernel 5.11 or later",
            ),
            Overlay::None => Finding::warning(
                OVERLAY,
                format!(
                    "overlay mounts do not work below {folder}: {kernel}; fuse-overlayfs neither: {fuse}; images take more space and time"
                ),
                "keep the state on ext4, xfs or btrfs (set XDG_DATA_HOME), with kernel 5.11 or later, or sudo apt-get install fuse-overlayfs fuse3",
            ),
        }
    }
}

fn options() -> &'static str {
    nested().map_or(NestedKind::Other, |nested| nested.kind).options()
}

/// Which overlays work; an error if there are no namespaces at all.
pub(super) fn try_out(state_dir: &Path) -> Result<Tried, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let folder = state_dir.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/"));
    let ids = SubIds::current().map_err(|e| text(&e))?;
    let (mut stage, socket) = userns::start(Stage::Probe, &ids, &[folder]).map_err(|e| text(&e))?;
    let report = socket.recv();
    stage.wait().map_err(|e| text(&e))?;
    match report.map_err(|e| text(&e))?.0 {
        ToParent::Report(outcomes) => Ok(Tried { folder: folder.to_owned(), outcomes }),
        ToParent::Failed { message } => Err(message),
        other => Err(unexpected("a report", &other).to_string()),
    }
}
