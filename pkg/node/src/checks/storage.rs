//! Checks of the file system of the state directory: type and free space.

use nix::sys::statfs::{self, FsType, Statfs, statfs};
use nix::sys::statvfs::statvfs;
use std::path::Path;
use usernetes_host::Finding;

const GIB: u64 = 1 << 30;
/// Magic numbers that nix does not have (statfs(2)).
const LUSTRE: i64 = 0x0bd0_0bd0;
const BEEGFS: i64 = 0x1983_0326;
const GPFS: i64 = 0x4750_4653;
const CEPH: i64 = 0x00c3_6400;
const CIFS: i64 = 0xff53_4d42;
const SMB2: i64 = 0xfe53_4d42;
const EXFAT: i64 = 0x2011_bab0;
const NTFS: i64 = 0x5346_544e;
const NTFS3: i64 = 0x7366_746e;
const ECRYPTFS: i64 = 0xf15f;

const HINT: &str = "export XDG_DATA_HOME=DIRECTORY, a directory of yours on a local disk (ext4, xfs, btrfs)";

/// Checks that the file system supports subordinate users, overlay and locks.
pub(super) fn check_state_fs(path: &Path) -> Finding {
    match statfs(path) {
        Ok(fs) => check_file_system(path, fs_type(&fs)),
        Err(error) => Finding::error("StateFs", format!("cannot examine {}: {error}", path.display()), HINT),
    }
}

#[expect(clippy::unnecessary_cast, reason = "its width depends on the architecture")]
fn fs_type(fs: &Statfs) -> i64 {
    let FsType(magic) = fs.filesystem_type();
    magic as i64
}

#[expect(clippy::unnecessary_cast, reason = "its width depends on the architecture")]
pub(super) fn check_file_system(path: &Path, magic: i64) -> Finding {
    let is = |known: FsType| known.0 as i64 == magic;
    if is(statfs::NFS_SUPER_MAGIC) {
        refuse(path, "NFS")
    } else if is(statfs::SMB_SUPER_MAGIC) || [CIFS, SMB2].contains(&magic) {
        refuse(path, "SMB")
    } else if is(statfs::AFS_SUPER_MAGIC) {
        refuse(path, "AFS")
    } else if is(statfs::FUSE_SUPER_MAGIC) {
        refuse(path, "a FUSE file system")
    } else if is(statfs::MSDOS_SUPER_MAGIC) || [EXFAT, NTFS, NTFS3].contains(&magic) {
        refuse(path, "a file system of Windows (FAT, exFAT, NTFS)")
    } else if magic == ECRYPTFS {
        discourage(path, "eCryptfs: no overlay, and names of at most 143 bytes")
    } else if [LUSTRE, BEEGFS, GPFS, CEPH].contains(&magic) {
        discourage(path, "a distributed file system: overlay and subordinate users may not work, etcd will be slow")
    } else if is(statfs::TMPFS_MAGIC) {
        discourage(path, "tmpfs: the cluster takes memory and is lost at the next boot")
    } else {
        Finding::passed("StateFs")
    }
}

fn refuse(path: &Path, name: &str) -> Finding {
    let path = path.display();
    let message =
        format!("{path} is on {name}: no files of subordinate users, no overlay, and locks that etcd cannot trust");
    Finding::error("StateFs", message, HINT)
}

fn discourage(path: &Path, what: &str) -> Finding {
    Finding::warning("StateFs", format!("{} is on {what}", path.display()), HINT)
}

/// Checks the free space. Unpacked images need 0.7 GiB, etcd and logs 0.5 GiB; below 512 MiB the kubelet evicts pods.
pub(super) fn check_disk_space(path: &Path) -> Finding {
    match statvfs(path) {
        Ok(fs) => check_free_space(path, fs.blocks_available().saturating_mul(fs.fragment_size())),
        Err(_) => Finding::passed("DiskSpace"),
    }
}

pub(super) fn check_free_space(path: &Path, free: u64) -> Finding {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let message = format!("{:.1} GiB free at {}", free as f64 / GIB as f64, path.display());
    let hint = "free some space, or export XDG_DATA_HOME=DIRECTORY, a directory of yours on a larger disk";
    if free < 2 * GIB {
        Finding::error("DiskSpace", format!("{message}, less than 2 GiB"), hint)
    } else if free < 6 * GIB {
        Finding::warning("DiskSpace", format!("{message}, less than 6 GiB"), hint)
    } else {
        Finding::passed("DiskSpace")
    }
}
