//! What only trying shows: namespaces with maps, and an overlay mount in them.

use crate::idmap::SubIds;
use crate::sock::Socket;
use crate::stage::Stage;
use crate::userns::{self, StageError, What as _, become_root, take_socket};
use crate::wire::{Outcome, ToParent, unexpected};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use usernetes_host::{CommandExt as _, Finding};

const USERNS: &str = "UserNamespace";
const OVERLAY: &str = "OverlayInUserns";
const KERNEL: &str = "overlay";
const FUSE: &str = "fuse-overlayfs";
/// Where administrators' programs are, too: an ordinary user may not have those in its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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

/// `UserNamespace` and `OverlayInUserns`.
pub(super) fn namespaces(state_dir: &Path) -> Vec<Finding> {
    match try_out(state_dir) {
        Ok(tried) => vec![Finding::passed(USERNS), tried.finding()],
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
        match self.outcomes.iter().find(|outcome| outcome.failure.is_none()) {
            Some(outcome) if outcome.what == KERNEL => Overlay::Kernel,
            Some(_) => Overlay::Fuse,
            None => Overlay::None,
        }
    }

    fn finding(&self) -> Finding {
        let folder = self.folder.display();
        let why = |what| self.outcomes.iter().find(|o| o.what == what).and_then(|o| o.failure.as_deref());
        let (kernel, fuse) = (why(KERNEL).unwrap_or_default(), why(FUSE).unwrap_or_default());
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

pub(crate) fn main() -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    let message = match run(&socket) {
        Ok(outcomes) => ToParent::Report(outcomes),
        Err(error) => ToParent::Failed { message: error.to_string() },
    };
    match socket.send(&message, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(socket: &Socket) -> Result<Vec<Outcome>, StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(namespaces | CloneFlags::CLONE_NEWUTS).what("make mount, network, ipc and uts namespaces")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>).what("make / a slave")?;
    let folder = std::env::args_os().nth(2).map(PathBuf::from).unwrap_or_default();
    let scratch = folder.join(format!(".overlay-probe-{}", std::process::id()));
    let mut outcomes = vec![outcome(KERNEL, try_overlay(&scratch, mount_overlay))];
    if outcomes[0].failure.is_some() {
        let _ = fs::remove_dir_all(&scratch);
        outcomes.push(outcome(FUSE, try_overlay(&scratch, mount_fuse_overlayfs)));
    }
    // Here and not by the starter: the kernel leaves a folder that only root may look into.
    let _ = fs::remove_dir_all(&scratch);
    Ok(outcomes)
}

fn outcome(what: &str, tried: Result<(), StageError>) -> Outcome {
    Outcome { what: what.to_owned(), failure: tried.err().map(|e| e.to_string()) }
}

/// Mounts one and replaces a folder in it, which needs extended attributes to work too.
fn try_overlay(scratch: &Path, mount: fn(&str, &Path) -> Result<(), StageError>) -> Result<(), StageError> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| scratch.join(name));
    for folder in [&lower, &upper, &work, &merged] {
        fs::create_dir_all(folder).what(format!("make {}", folder.display()))?;
    }
    fs::create_dir(lower.join("folder")).what("make a folder")?;
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    mount(&format!("lowerdir={lower},upperdir={upper},workdir={work}"), &merged)?;
    let replaced = fs::remove_dir(merged.join("folder")).and_then(|()| fs::create_dir(merged.join("folder")));
    // A file system in a process ends that with it.
    let unmounted = umount2(&merged, MntFlags::MNT_DETACH);
    replaced.what("replace a folder in an overlay")?;
    unmounted.what("unmount an overlay")
}

fn mount_overlay(options: &str, merged: &Path) -> Result<(), StageError> {
    let options = format!("{options},userxattr");
    mount(Some("overlay"), merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).what("mount an overlay")
}

/// As containerd does.
fn mount_fuse_overlayfs(options: &str, merged: &Path) -> Result<(), StageError> {
    let mut command = Command::new("mount.fuse3");
    command.env("PATH", PATH).args(["overlay".as_ref(), merged.as_os_str(), "-o".as_ref(), options.as_ref()]);
    command.args(["-t", FUSE]).run()?;
    Ok(())
}
