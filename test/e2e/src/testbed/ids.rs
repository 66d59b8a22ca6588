//! A directory, user ids and subordinate ids for each test process, which no other process uses at the same time.
//!
//! The lock dies with its process, however that ends. The next process that finds a free lock beside a directory cleans up.

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::command::processes;

/// On disk, not in memory: the overlay file system and etcd want a real file system.
const BASE: &str = "/var/tmp/usernetes-e2e";
const ALLOCATIONS: u32 = 16;
const HOSTS: u32 = 16;
const FIRST_UID: u32 = 52_000;
const FIRST_SUBID: u32 = 1_000_000_000;
/// Subordinate ids of one user: room for the node and for as many pods with their own range as a kubelet takes.
pub(crate) const SUBIDS: u32 = USERADDS * 111;
/// Of these, what useradd would give.
pub(crate) const USERADDS: u32 = 65_536;

/// What one process uses, for as long as this value lives.
pub(crate) struct Allocation {
    number: u32,
    taken: Mutex<[bool; HOSTS as usize]>,
    _lock: File,
}

/// Exclusive use of one user.
pub(crate) struct HostIds {
    index: usize,
    allocation: u32,
    /// The ordinary user's id.
    pub(crate) uid: u32,
    /// Its subordinate ids.
    pub(crate) subids: Range<u32>,
    /// Directory of the host's files.
    pub(crate) dir: PathBuf,
}

impl Allocation {
    /// Locks a free allocation and cleans what dead processes left in this and other free ones.
    pub(crate) fn acquire() -> Result<Self> {
        fs::create_dir_all(BASE).with_context(|| format!("cannot make {BASE}"))?;
        fs::set_permissions(BASE, fs::Permissions::from_mode(0o755))?;
        let mut mine = None;
        for number in 0..ALLOCATIONS {
            if mine.is_some() && !directory(number).exists() {
                continue;
            }
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(lock_file(number))?;
            if lock.try_lock().is_err() {
                continue;
            }
            clean(number)?;
            mine.get_or_insert((number, lock));
        }
        let Some((number, lock)) = mine else { bail!("all {ALLOCATIONS} slots below {BASE} are in use") };
        fs::create_dir(directory(number))?;
        Ok(Self { number, taken: Mutex::default(), _lock: lock })
    }

    /// A user that no living host of this process has.
    pub(crate) fn allocate(&self) -> Result<HostIds> {
        let mut taken =
            self.taken.lock().map_err(|_| anyhow::anyhow!("a thread panicked while it allocated a user"))?;
        let index = taken.iter().position(|t| !t).context("every ids of this process is taken")?;
        taken[index] = true;
        let ordinal = self.number * HOSTS + u32::try_from(index)?;
        let first = FIRST_SUBID + ordinal * SUBIDS;
        let dir = directory(self.number).join(format!("host{index}"));
        Ok(HostIds { index, allocation: self.number, uid: FIRST_UID + ordinal, subids: first..first + SUBIDS, dir })
    }

    /// Releases a user; its directory and processes are gone afterwards.
    pub(crate) fn free(&self, ids: &HostIds) -> Result<()> {
        processes::end_all(&[ids.uid..ids.uid + 1, ids.subids.clone()])?;
        remove(&ids.dir)?;
        if let Ok(mut taken) = self.taken.lock() {
            taken[ids.index] = false;
        }
        Ok(())
    }

    /// Removes everything of this allocation.
    pub(crate) fn clean(&self) -> Result<()> {
        clean(self.number)
    }
}

impl HostIds {
    /// A number that spreads what runs at the same time, in one process or in several.
    pub(crate) fn ordinal(&self) -> usize {
        self.allocation as usize + self.index
    }
}

fn directory(number: u32) -> PathBuf {
    Path::new(BASE).join(format!("slot{number}"))
}

fn lock_file(number: u32) -> PathBuf {
    Path::new(BASE).join(format!("slot{number}.lock"))
}

fn clean(number: u32) -> Result<()> {
    if !directory(number).exists() {
        return Ok(());
    }
    let uid = FIRST_UID + number * HOSTS;
    let subid = FIRST_SUBID + number * HOSTS * SUBIDS;
    processes::end_all(&[uid..uid + HOSTS, subid..subid + HOSTS * SUBIDS])?;
    remove(&directory(number))
}

/// Mounts live in namespaces that are gone by now, so plain removal cannot reach a file of the machine.
fn remove(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    if let Some(line) = mounts.lines().find(|l| l.split(' ').nth(4).is_some_and(|at| Path::new(at).starts_with(dir))) {
        bail!("will not remove {}: something is mounted in it: {line}", dir.display());
    }
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound && !Uid::effective().is_root() => Err(e.into()),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
