//! Adjusts id maps of mounts for pods with `hostUsers: false`.
//!
//! An id-mapped mount requires privileges over the user namespace of the file system. A tmpfs that was mounted in the node
//! belongs to the node's namespace; a disk belongs to the host's, and runc fails. The map of such mounts is removed here, and
//! files that the kubelet and containerd wrote for this pod get, once, the owners that the map would have shown. Files of the
//! user (hostPath, local volumes) keep their owners.

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use serde_json::Value;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Component, Path, PathBuf};
use usernetes_api::constants::{CONTAINERD_DIR, KUBELET_DIR};

/// First kernel version that supports id-mapped tmpfs mounts.
const TMPFS_MAPPED: (u32, u32) = (6, 3);
/// Directory names of the volume plugins whose volumes the kubelet fills.
const FILLED: [&str; 4] =
    ["kubernetes.io~configmap", "kubernetes.io~downward-api", "kubernetes.io~projected", "kubernetes.io~secret"];
/// Directory name of the volume plugin whose volumes the pod fills.
const EMPTY: &str = "kubernetes.io~empty-dir";

/// Removes the maps of mounts that cannot be mapped, and changes the owners of what was made for the pod.
pub(super) fn adjust_mounts(mounts: &mut [Value]) -> io::Result<()> {
    for mount in mounts {
        let Some((map, source)) = read_map(mount) else { continue };
        if can_be_mapped(&source) {
            continue;
        }
        let fields = mount.as_object_mut().expect("it has fields");
        fields.shift_remove("uidMappings");
        fields.shift_remove("gidMappings");
        if let Some(Value::Array(options)) = fields.get_mut("options") {
            options.retain(|option| option != "idmap" && option != "ridmap");
        }
        match classify_source(Path::new("/"), &source) {
            Some(Made::Alone) => map.change_owner(&source)?,
            Some(Made::Tree) => map.change_owners(&source)?,
            None => {}
        }
    }
    Ok(())
}

/// The id map of a mount and its source; `None` if it is not mapped.
fn read_map(mount: &Value) -> Option<(Map, PathBuf)> {
    let map =
        Map { uids: Range::from_mappings(&mount["uidMappings"])?, gids: Range::from_mappings(&mount["gidMappings"])? };
    Some((map, mount["source"].as_str()?.into()))
}

/// Whether the source is a tmpfs of the node, and the kernel supports mapping it. A tmpfs of the host is visible only below
/// other directories, or holds the node's own state.
fn can_be_mapped(source: &Path) -> bool {
    let ours = source.starts_with(KUBELET_DIR) || source.starts_with("/run");
    ours && statfs(source).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC)
        && device_of(source) != device_of(Path::new(KUBELET_DIR))
        && kernel_maps_tmpfs(&rustix::system::uname().release().to_string_lossy())
}

fn device_of(path: &Path) -> Option<u64> {
    fs::metadata(path).map(|m| m.dev()).ok()
}

fn kernel_maps_tmpfs(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= TMPFS_MAPPED)
}

/// The part of a mount's source that was made for the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// The file or directory, without its content.
    Alone,
    /// The directory with its content.
    Tree,
}

/// Classifies a source by its path; `root` is the root directory of the node's paths. `None` if it was not made for the pod.
fn classify_source(root: &Path, source: &Path) -> Option<Made> {
    if source.starts_with(Path::new(CONTAINERD_DIR).join("io.containerd.grpc.v1.cri/sandboxes")) {
        return Some(Made::Alone);
    }
    let inside = source.strip_prefix(Path::new(KUBELET_DIR).join("pods")).ok()?;
    let words: Vec<&str> = inside.components().map(component_name).collect::<Option<_>>()?;
    match words[..] {
        [_, "etc-hosts"] | [_, "containers", ..] | [_, "volumes", EMPTY, _] => Some(Made::Alone),
        [_, "volumes", plugin, _] if FILLED.contains(&plugin) => Some(Made::Tree),
        // A subPath, bind-mounted by the kubelet; its directory has the name of the volume.
        [pod, "volume-subpaths", volume, _, _] => {
            let volumes = root.join(KUBELET_DIR.trim_start_matches('/')).join("pods").join(pod).join("volumes");
            let mut plugins = FILLED.iter().chain([&EMPTY]);
            plugins.any(|plugin| volumes.join(plugin).join(volume).exists()).then_some(Made::Alone)
        }
        _ => None,
    }
}

fn component_name(component: Component<'_>) -> Option<&str> {
    match component {
        Component::Normal(word) => word.to_str(),
        _ => None,
    }
}

/// The map of one mount.
struct Map {
    uids: Range,
    gids: Range,
}

impl Map {
    fn change_owner(&self, path: &Path) -> io::Result<()> {
        let is = fs::symlink_metadata(path)?;
        match (self.uids.map_id(is.uid()), self.gids.map_id(is.gid())) {
            (None, None) => Ok(()),
            (uid, gid) => lchown(path, uid, gid),
        }
    }

    fn change_owners(&self, path: &Path) -> io::Result<()> {
        self.change_owner(path)?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.change_owners(&entry?.path())?;
            }
        }
        Ok(())
    }
}

/// `containerID`, `hostID` and `size` of the OCI runtime specification; the kubelet makes one range a pod.
#[derive(Clone, Copy)]
struct Range {
    inside: u32,
    outside: u32,
    size: u32,
}

impl Range {
    fn from_mappings(mappings: &Value) -> Option<Self> {
        let first = mappings.as_array()?.first()?;
        let number = |name: &str| first[name].as_u64().and_then(|n| u32::try_from(n).ok());
        Some(Self { inside: number("containerID")?, outside: number("hostID")?, size: number("size")? })
    }

    /// The id outside of the map for an owner on disk; `None` for an id beyond the range, such as one that was changed before.
    fn map_id(self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside).filter(|offset| *offset < self.size)?;
        self.outside.checked_add(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_for_a_pod() {
        let root = tempfile::tempdir().expect("a directory");
        let pod = root.path().join("var/lib/kubelet/pods/P");
        fs::create_dir_all(pod.join("volumes/kubernetes.io~empty-dir/scratch")).expect("made");
        fs::create_dir_all(pod.join("volumes/kubernetes.io~local-volume/data")).expect("made");
        let made = |path: &str| classify_source(root.path(), Path::new(path));
        for (path, what) in [
            ("etc-hosts", Some(Made::Alone)),
            ("containers/main/0a1b2c3d", Some(Made::Alone)),
            ("volumes/kubernetes.io~empty-dir/scratch", Some(Made::Alone)),
            ("volumes/kubernetes.io~configmap/words", Some(Made::Tree)),
            ("volumes/kubernetes.io~local-volume/data", None),
            ("volumes/kubernetes.io~csi/pvc/mount", None),
            ("volume-subpaths/scratch/main/0", Some(Made::Alone)),
            ("volume-subpaths/data/main/0", None),
            ("volumes/kubernetes.io~configmap/../../../Q", None),
        ] {
            assert_eq!(made(&format!("/var/lib/kubelet/pods/P/{path}")), what, "{path}");
        }
        assert_eq!(made("/home/alice/data"), None);
        let sandbox = "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/S/hostname";
        assert_eq!(made(sandbox), Some(Made::Alone));
    }

    #[test]
    fn owners_are_shifted_once() {
        let range = Range { inside: 0, outside: 131_072, size: 65536 };
        assert_eq!(range.map_id(0), Some(131_072));
        assert_eq!(range.map_id(2000), Some(133_072));
        assert_eq!(range.map_id(131_072), None);
        assert_eq!(Range { inside: 0, outside: u32::MAX, size: 2 }.map_id(1), None);
    }

    #[test]
    fn kernels() {
        assert!(kernel_maps_tmpfs("6.3.0") && kernel_maps_tmpfs("7.2-rc1") && kernel_maps_tmpfs("6.18.5-1-amd64"));
        assert!(!kernel_maps_tmpfs("6.1.0-40-amd64") && !kernel_maps_tmpfs("5.15") && !kernel_maps_tmpfs("odd"));
    }
}
