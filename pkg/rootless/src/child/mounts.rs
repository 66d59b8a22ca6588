//! The file tree inside: the host's, with some directories replaced.

use super::mount_targets::{Kind, MountTargets, bind_mount, fd_path, make_read_only, mount_tmpfs, open_path};
use super::{etc, files};
use crate::network;
use crate::userns::{Action as _, StageError};
use crate::{Mount, Spec};
use nix::mount::{MsFlags, mount};
use std::fs::File;
use std::path::Path;
use usernetes_api::CgroupMode;

/// Makes all mounts and files. The order of the steps matters.
pub(super) fn prepare_mounts(spec: &Spec) -> Result<(), StageError> {
    set_propagation()?;
    // Sources are opened before a mount covers them: one may be below /run.
    let sources = open_sources(&spec.mounts)?;
    mount_new("proc", "/proc")?;
    mount_new("sysfs", "/sys")?;
    mount_cgroups(spec.cgroup)?;
    hide_kernel_log()?;
    make_private_directories(find_etc(&spec.mounts, &sources))?;
    let mut targets = MountTargets::new(["/etc", "/run"]);
    let names = files::render_hosts(&spec.host_name, &spec.host_addresses);
    let resolver = network::tap_addresses(&spec.network).resolver;
    for entry in [files::render_resolv_conf(resolver, &spec.search_lines), names] {
        files::write_file(&mut targets, &entry)?;
    }
    for (entry, source) in spec.mounts.iter().zip(&sources) {
        apply_mount(&mut targets, entry, source.as_ref())?;
    }
    for entry in &spec.files {
        files::write_file(&mut targets, entry)?;
    }
    Ok(())
}

/// Makes mounts of the host propagate to the node but not back, and allows shared mounts inside.
fn set_propagation() -> Result<(), StageError> {
    for (flag, name) in [(MsFlags::MS_SLAVE, "rslave"), (MsFlags::MS_SHARED, "rshared")] {
        mount(None::<&str>, "/", None::<&str>, flag | MsFlags::MS_REC, None::<&str>)
            .with_action(format!("make / {name}"))?;
    }
    Ok(())
}

/// Mounts a new instance for the namespaces; read-only if the host's is, since the kernel allows no other then.
pub(crate) fn mount_new(kind: &str, target: &str) -> Result<(), StageError> {
    mount_writable(kind, target).or_else(|_| mount_instance(kind, target, MsFlags::MS_RDONLY))
}

/// Mounts a new writable instance.
pub(crate) fn mount_writable(kind: &str, target: &str) -> Result<(), StageError> {
    mount_instance(kind, target, MsFlags::empty())
}

fn mount_instance(kind: &str, target: &str, more: MsFlags) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | more;
    mount(Some(kind), target, Some(kind), flags, None::<&str>).with_action(format!("mount {kind} on {target}"))
}

/// Mounts cgroup2 at the root of the cgroup namespace, also over a version 1 tree of the host.
fn mount_cgroups(mode: CgroupMode) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounted = mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), flags, None::<&str>);
    match (mode, mounted) {
        // This mode uses no cgroups, so the mount is optional.
        (CgroupMode::None, _) => Ok(()),
        (CgroupMode::Delegated, mounted) => mounted.with_action("mount cgroup2 on /sys/fs/cgroup"),
    }
}

/// Covers an unreadable /dev/kmsg by /dev/null: programs that read the kernel's log fail without permission.
fn hide_kernel_log() -> Result<(), StageError> {
    let log = Path::new("/dev/kmsg");
    if !log.exists() || File::open(log).is_ok() {
        return Ok(());
    }
    bind_mount(Path::new("/dev/null"), log).with_action("bind /dev/null on /dev/kmsg")
}

/// Replaces `/etc`, whose files are in a first tmpfs on `/run`, and covers that tmpfs by a second one.
fn make_private_directories(kept: Option<&File>) -> Result<(), StageError> {
    let run = Path::new("/run");
    mount_tmpfs(run)?;
    etc::replace_etc(&run.join("etc"), kept)?;
    mount_tmpfs(run)?;
    std::fs::create_dir("/run/lock").with_action("make /run/lock")
}

/// The directory in which `/etc` is kept, if the spec names one.
fn find_etc<'a>(mounts: &[Mount], sources: &'a [Option<File>]) -> Option<&'a File> {
    let is_etc = |entry: &Mount| matches!(entry, Mount::Kept { target, .. } if target == Path::new("/etc"));
    mounts.iter().zip(sources).find(|(entry, _)| is_etc(entry))?.1.as_ref()
}

fn open_sources(mounts: &[Mount]) -> Result<Vec<Option<File>>, StageError> {
    mounts.iter().map(open_source).collect()
}

fn open_source(entry: &Mount) -> Result<Option<File>, StageError> {
    match entry {
        Mount::Bind { source, .. } | Mount::Kept { source, .. } => {
            open_path(source).with_action(format!("open {}", source.display())).map(Some)
        }
        Mount::Tmpfs { .. } | Mount::Private { .. } => Ok(None),
    }
}

fn apply_mount(targets: &mut MountTargets, entry: &Mount, source: Option<&File>) -> Result<(), StageError> {
    match (entry, source) {
        (Mount::Bind { source: path, target, read_only }, Some(source)) => {
            let is_dir = source.metadata().with_action(format!("look at {}", path.display()))?.is_dir();
            targets.ensure_target(target, if is_dir { Kind::Directory } else { Kind::File })?;
            bind_mount(&fd_path(source), target).with_action(format!(
                "bind {} on {}",
                path.display(),
                target.display()
            ))?;
            if *read_only { make_read_only(target) } else { Ok(()) }
        }
        // It was replaced before.
        (Mount::Kept { target, .. }, _) if target == Path::new("/etc") => Ok(()),
        (Mount::Kept { target, .. }, Some(source)) => targets.keep_directory(source, target),
        (Mount::Private { target }, _) => {
            targets.ensure_target(target, Kind::Directory)?;
            targets.cover_directory(target)
        }
        (Mount::Bind { target, .. } | Mount::Kept { target, .. } | Mount::Tmpfs { target }, _) => {
            targets.ensure_target(target, Kind::Directory)?;
            mount_tmpfs(target)
        }
    }
}
