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
use std::process::ExitCode;
use usernetes_host::Finding;

const USERNS: &str = "UserNamespace";
pub(super) const OVERLAY: &str = "OverlayInUserns";

/// `UserNamespace` and `OverlayInUserns`.
pub(super) fn namespaces(state_dir: &Path) -> Vec<Finding> {
    let folder = state_dir.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("/"));
    match try_out(folder) {
        Ok(None) => vec![Finding::passed(USERNS), Finding::passed(OVERLAY)],
        Ok(Some(reason)) => vec![Finding::passed(USERNS), overlay_warning(folder, &reason)],
        Err(message) => vec![Finding::error(
            USERNS,
            format!("namespaces with the user's ids cannot be made: {message}"),
            "see the findings Newuidmap, SubID, UsernsSysctl and AppArmorUserns; in a container: allow nested user namespaces",
        )],
    }
}

fn overlay_warning(folder: &Path, reason: &str) -> Finding {
    Finding::warning(
        OVERLAY,
        format!("overlay mounts do not work below {}: {reason}; images take more space and time", folder.display()),
        "keep the state on ext4, xfs or btrfs (set XDG_DATA_HOME), with kernel 5.11 or later, or install fuse-overlayfs",
    )
}

/// Why overlay does not work, `None` if it does; an error if there are no namespaces at all.
fn try_out(folder: &Path) -> Result<Option<String>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let ids = SubIds::current().map_err(|e| text(&e))?;
    let (mut stage, socket) = userns::start(Stage::Probe, &ids, &[folder]).map_err(|e| text(&e))?;
    let report = socket.recv();
    stage.wait().map_err(|e| text(&e))?;
    match report.map_err(|e| text(&e))?.0 {
        ToParent::Report(outcomes) => Ok(outcomes.into_iter().find_map(|o| o.failure)),
        ToParent::Failed { message } => Err(message),
        other => Err(unexpected("a report", &other).to_string()),
    }
}

pub(crate) fn main() -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    let message = match run(&socket) {
        Ok(outcome) => ToParent::Report(vec![outcome]),
        Err(error) => ToParent::Failed { message: error.to_string() },
    };
    match socket.send(&message, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(socket: &Socket) -> Result<Outcome, StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(namespaces | CloneFlags::CLONE_NEWUTS).what("make mount, network, ipc and uts namespaces")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>).what("make / a slave")?;
    let folder = std::env::args_os().nth(2).map(PathBuf::from).unwrap_or_default();
    let scratch = folder.join(format!(".overlay-probe-{}", std::process::id()));
    let tried = try_overlay(&scratch);
    // Here and not by the starter: the kernel leaves a folder that only root may look into.
    let _ = fs::remove_dir_all(&scratch);
    Ok(Outcome { what: "overlay".to_owned(), failure: tried.err().map(|e| e.to_string()) })
}

/// Mounts one and replaces a file in it, which needs extended attributes to work too.
fn try_overlay(scratch: &Path) -> Result<(), StageError> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| scratch.join(name));
    for folder in [&lower, &upper, &work, &merged] {
        fs::create_dir_all(folder).what(format!("make {}", folder.display()))?;
    }
    fs::create_dir(lower.join("folder")).what("make a folder")?;
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work},userxattr");
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .what("mount an overlay")?;
    let replaced = fs::remove_dir(merged.join("folder")).and_then(|()| fs::create_dir(merged.join("folder")));
    let unmounted = umount2(&merged, MntFlags::MNT_DETACH);
    replaced.what("replace a folder in an overlay")?;
    unmounted.what("unmount an overlay")
}
