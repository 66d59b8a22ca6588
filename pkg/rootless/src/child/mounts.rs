//! The tree that the payload sees: the host's, with some folders replaced.

use super::mount_targets::{Kind, MountTargets, bind, mount_tmpfs, open_path, through};
use super::{etc, files};
use crate::network;
use crate::userns::{StageError, What as _};
use crate::{Mount, Spec};
use nix::mount::{MsFlags, mount};
use std::fs::File;
use std::path::Path;
use usernetes_api::CgroupMode;

/// Does everything, in the order that matters.
pub(super) fn prepare(spec: &Spec) -> Result<(), StageError> {
    propagation()?;
    // Sources are held before anything covers them: one may lie below /run.
    let sources = open_sources(&spec.mounts)?;
    fresh("proc", "/proc")?;
    fresh("sysfs", "/sys")?;
    cgroups(spec.cgroup)?;
    kernel_log()?;
    private_folders()?;
    let mut targets = MountTargets::new(["/etc", "/run"]);
    let names = files::hosts(&spec.host_name, &spec.host_addresses);
    for entry in [files::resolv_conf(network::tap_addresses(&spec.network).resolver), names] {
        files::write(&mut targets, &entry)?;
    }
    for (entry, source) in spec.mounts.iter().zip(&sources) {
        apply(&mut targets, entry, source.as_ref())?;
    }
    for entry in &spec.files {
        files::write(&mut targets, entry)?;
    }
    Ok(())
}

/// The host's mounts still arrive, ours do not go back; and what runs inside may ask for shared mounts.
fn propagation() -> Result<(), StageError> {
    for (flag, name) in [(MsFlags::MS_SLAVE, "rslave"), (MsFlags::MS_SHARED, "rshared")] {
        mount(None::<&str>, "/", None::<&str>, flag | MsFlags::MS_REC, None::<&str>).what(format!("make / {name}"))?;
    }
    Ok(())
}

/// A new instance for our namespaces; where the host has only a read-only one, the kernel allows no other.
pub(crate) fn fresh(kind: &str, target: &str) -> Result<(), StageError> {
    writable(kind, target).or_else(|_| instance(kind, target, MsFlags::MS_RDONLY))
}

/// A new instance that can be written to.
pub(crate) fn writable(kind: &str, target: &str) -> Result<(), StageError> {
    instance(kind, target, MsFlags::empty())
}

fn instance(kind: &str, target: &str, more: MsFlags) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | more;
    mount(Some(kind), target, Some(kind), flags, None::<&str>).what(format!("mount {kind} on {target}"))
}

/// cgroup2, rooted where our cgroup namespace is; also over a host's version 1 tree.
fn cgroups(mode: CgroupMode) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounted = mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), flags, None::<&str>);
    match (mode, mounted) {
        // Nothing is put into cgroups in this mode: an empty folder serves.
        (CgroupMode::None, _) => Ok(()),
        (CgroupMode::Delegated, mounted) => mounted.what("mount cgroup2 on /sys/fs/cgroup"),
    }
}

/// Programs that read the kernel's log end when they may not; from /dev/null they read nothing.
fn kernel_log() -> Result<(), StageError> {
    let log = Path::new("/dev/kmsg");
    if !log.exists() || File::open(log).is_ok() {
        return Ok(());
    }
    bind(Path::new("/dev/null"), log).what("bind /dev/null on /dev/kmsg")
}

/// `/etc` keeps its files in a first tmpfs on `/run`, which the one that stays there hides.
fn private_folders() -> Result<(), StageError> {
    let run = Path::new("/run");
    mount_tmpfs(run)?;
    etc::replace(&run.join("etc"))?;
    mount_tmpfs(run)?;
    std::fs::create_dir("/run/lock").what("make /run/lock")
}

fn open_sources(mounts: &[Mount]) -> Result<Vec<Option<File>>, StageError> {
    let open = |entry: &Mount| match entry {
        Mount::Bind { source, .. } => open_path(source).what(format!("open {}", source.display())).map(Some),
        Mount::Tmpfs { .. } | Mount::Private { .. } => Ok(None),
    };
    mounts.iter().map(open).collect()
}

fn apply(targets: &mut MountTargets, entry: &Mount, source: Option<&File>) -> Result<(), StageError> {
    match (entry, source) {
        (Mount::Bind { source: path, target }, Some(source)) => {
            let is_dir = source.metadata().what(format!("look at {}", path.display()))?.is_dir();
            targets.ensure(target, if is_dir { Kind::Folder } else { Kind::File })?;
            bind(&through(source), target).what(format!("bind {} on {}", path.display(), target.display()))
        }
        (Mount::Private { target }, _) => {
            targets.ensure(target, Kind::Folder)?;
            targets.cover(target)
        }
        (Mount::Bind { target, .. } | Mount::Tmpfs { target }, _) => {
            targets.ensure(target, Kind::Folder)?;
            mount_tmpfs(target)
        }
    }
}
