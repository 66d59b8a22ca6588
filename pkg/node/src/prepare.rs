//! Writes a node's files below its state directory before each start. The result depends on the plan only.

use crate::cri::{self, Cri};
use crate::{NodePlan, cni_front, config, oci_runtime};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use usernetes_api::{Paths, constants as c};
use usernetes_host::fs::{self, Context as _, FsError, Mode};

/// Why a node's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file, directory or link could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The bundle has no CNI plugins.
    #[error("no CNI plugins in {}", path.display())]
    NoPlugins {
        /// Directory of the plugins.
        path: PathBuf,
    },
}

impl PrepareError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint(),
            Self::NoPlugins { .. } => Some("use a complete bundle: usernetes-rs bundle verify PATH".into()),
        }
    }
}

/// Writes configuration files, links CNI plugins and saves the plan. `program` is this executable, of which a copy is kept in
/// the state directory.
pub fn prepare(plan: &NodePlan, paths: &Paths, program: &Path) -> Result<(), PrepareError> {
    remove_stale_cni_state(paths)?;
    make_directories(paths)?;
    keep_program(program, &paths.program())?;
    link_runtime(plan, paths)?;
    link_plugins(plan, paths)?;
    write_configuration(plan, paths)?;
    plan.save(paths)?;
    Ok(())
}

/// Removes the state that CNI plugins kept of pods whose network namespaces ended with the last run of the node. After a
/// power cut such files may be empty, and plugins could not remove the pods.
fn remove_stale_cni_state(paths: &Paths) -> Result<(), FsError> {
    let kept = paths.node(c::CNI_STATE_DIR);
    match std::fs::remove_dir_all(&kept) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).context("remove", kept),
        _ => Ok(()),
    }
}

fn make_directories(paths: &Paths) -> Result<(), FsError> {
    let inside = [config::STATIC_POD_DIR, config::VOLUME_PLUGIN_DIR, c::PKI_DIR];
    for directory in Paths::PERSISTENT.iter().chain(&inside) {
        fs::create_dir(paths.node(directory))?;
    }
    fs::create_dir(paths.logs())
}

/// Copies this program, since the original may be moved or replaced while the node runs. A running copy is replaced, not
/// overwritten.
fn keep_program(from: &Path, to: &Path) -> Result<(), FsError> {
    let source = from.metadata().context("read", from)?;
    if same_file(from, to) || to.metadata().is_ok_and(|kept| looks_alike(&source, &kept)) {
        return Ok(());
    }
    let directory = to.parent().expect("a file in the state directory");
    fs::create_dir(directory)?;
    copy_program(from, &source, to, directory).context("write", to)
}

fn copy_program(from: &Path, source: &Metadata, to: &Path, directory: &Path) -> std::io::Result<()> {
    let new = tempfile::NamedTempFile::new_in(directory)?;
    // The kernel copies, sharing blocks where the file system supports it. It copies the mode, but not the time.
    std::fs::copy(from, new.path())?;
    new.as_file().set_modified(source.modified()?)?;
    new.as_file().sync_all()?;
    new.persist(to)?;
    Ok(())
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whether two files have the same length and time of modification, as a copy has.
fn looks_alike(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

/// Links this program under its names as OCI runtime, and the runtime that it executes.
fn link_runtime(plan: &NodePlan, paths: &Paths) -> Result<(), FsError> {
    let program = paths.program();
    let directory = program.parent().expect("a file in the state directory");
    for name in [oci_runtime::PROGRAM_NAME, oci_runtime::WITHOUT_CGROUPS] {
        replace_link(&program, &directory.join(name))?;
    }
    replace_link(&plan.host.oci_runtime, &directory.join(oci_runtime::BEHIND))
}

/// Links all CNI plugins of the bundle, which has the same path inside the node.
fn link_plugins(plan: &NodePlan, paths: &Paths) -> Result<(), PrepareError> {
    let bundle = plan.software.bundle.join("cni");
    let target = paths.node(c::CNI_BIN_DIR);
    let mut count = 0;
    for entry in std::fs::read_dir(&bundle).context("read", &bundle)? {
        let entry = entry.context("read", &bundle)?;
        replace_link(&entry.path(), &target.join(entry.file_name()))?;
        count += 1;
    }
    if count == 0 {
        return Err(PrepareError::NoPlugins { path: bundle });
    }
    Ok(replace_link(&paths.program(), &target.join(cni_front::PROGRAM_NAME))?)
}

fn write_configuration(plan: &NodePlan, paths: &Paths) -> Result<(), FsError> {
    fs::write(paths.node(config::KUBELET_FILE), config::render_kubelet(plan), Mode::Public)?;
    match plan.host.cri {
        Cri::Containerd => {
            fs::write(paths.node(config::CONTAINERD_FILE), config::render_containerd(plan), Mode::Public)?;
        }
        Cri::CriO(_) => write_crio(plan, paths)?,
    }
    fs::write(paths.node(config::CNI_FILE), config::render_cni(), Mode::Public)
}

fn write_crio(plan: &NodePlan, paths: &Paths) -> Result<(), FsError> {
    fs::create_dir(paths.node(cri::CRIO_TMP_DIR))?;
    fs::write(paths.node(config::CRIO_POLICY_FILE), config::render_crio_policy(), Mode::Public)?;
    fs::write(paths.node(config::CRIO_STORAGE_FILE), config::render_crio_storage(plan), Mode::Public)?;
    fs::write(paths.node(config::CRIO_FILE), config::render_crio(plan), Mode::Public)
}

/// Creates a symbolic link in one step and replaces an existing file.
fn replace_link(to: &Path, at: &Path) -> Result<(), FsError> {
    if std::fs::read_link(at).is_ok_and(|old| old == to) {
        return Ok(());
    }
    let directory = at.parent().expect("not the root");
    fs::create_dir(directory)?;
    let new = directory.join(".new-link");
    fs::remove_if_exists(&new)?;
    std::os::unix::fs::symlink(to, &new).context("link", &new)?;
    std::fs::rename(&new, at).context("link", at)
}

#[cfg(test)]
mod tests;
