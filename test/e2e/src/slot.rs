//! One slot per test process: a folder, user ids and subordinate ids that no other process uses at the same time.
//!
//! The lock of a slot dies with its owner, however that ends; who finds a free slot with a folder cleans it.

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::processes;

/// On disk, not in memory: the overlay file system and etcd want a real file system.
const BASE: &str = "/var/tmp/usernetes-e2e";
const SLOTS: u32 = 16;
const HOSTS: u32 = 16;
const FIRST_UID: u32 = 52_000;
const FIRST_SUBID: u32 = 1_000_000_000;
/// Subordinate ids of one user: room for the node and for as many pods with their own range as a kubelet takes.
pub(crate) const SUBIDS: u32 = USERADDS * 111;
/// Of these, what useradd would give.
pub(crate) const USERADDS: u32 = 65_536;

/// Exclusive use of one slot, for as long as it lives.
pub(crate) struct Slot {
    number: u32,
    taken: Mutex<[bool; HOSTS as usize]>,
    _lock: File,
}

/// Exclusive use of one user of a slot.
pub(crate) struct Seat {
    index: usize,
    slot: u32,
    /// The ordinary user's id.
    pub(crate) uid: u32,
    /// Its subordinate ids.
    pub(crate) subids: Range<u32>,
    /// Folder of the host's files.
    pub(crate) dir: PathBuf,
}

impl Slot {
    /// Takes a free slot and cleans what dead processes left in this and other free ones.
    pub(crate) fn take() -> Result<Self> {
        fs::create_dir_all(BASE).with_context(|| format!("cannot make {BASE}"))?;
        fs::set_permissions(BASE, fs::Permissions::from_mode(0o755))?;
        let mut mine = None;
        for number in 0..SLOTS {
            if mine.is_some() && !folder(number).exists() {
                continue;
            }
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(lock_file(number))?;
            if lock.try_lock().is_err() {
                continue;
            }
            clean(number)?;
            mine.get_or_insert((number, lock));
        }
        let Some((number, lock)) = mine else { bail!("all {SLOTS} slots below {BASE} are in use") };
        fs::create_dir(folder(number))?;
        Ok(Self { number, taken: Mutex::default(), _lock: lock })
    }

    /// A user that no living host of this process has.
    pub(crate) fn seat(&self) -> Result<Seat> {
        let mut taken = self.taken.lock().map_err(|_| anyhow::anyhow!("a thread panicked while it took a seat"))?;
        let index = taken.iter().position(|t| !t).context("every seat of this process is taken")?;
        taken[index] = true;
        let ordinal = self.number * HOSTS + u32::try_from(index)?;
        let first = FIRST_SUBID + ordinal * SUBIDS;
        let dir = folder(self.number).join(format!("host{index}"));
        Ok(Seat { index, slot: self.number, uid: FIRST_UID + ordinal, subids: first..first + SUBIDS, dir })
    }

    /// Gives a seat back; its folder and processes are gone afterwards.
    pub(crate) fn free(&self, seat: &Seat) -> Result<()> {
        processes::end_all(&[seat.uid..seat.uid + 1, seat.subids.clone()])?;
        remove(&seat.dir)?;
        if let Ok(mut taken) = self.taken.lock() {
            taken[seat.index] = false;
        }
        Ok(())
    }

    /// Removes everything of this slot.
    pub(crate) fn clean(&self) -> Result<()> {
        clean(self.number)
    }
}

impl Seat {
    /// A number that spreads what runs at the same time, in one process or in several.
    pub(crate) fn ordinal(&self) -> usize {
        self.slot as usize + self.index
    }
}

fn folder(number: u32) -> PathBuf {
    Path::new(BASE).join(format!("slot{number}"))
}

fn lock_file(number: u32) -> PathBuf {
    Path::new(BASE).join(format!("slot{number}.lock"))
}

fn clean(number: u32) -> Result<()> {
    if !folder(number).exists() {
        return Ok(());
    }
    let uid = FIRST_UID + number * HOSTS;
    let subid = FIRST_SUBID + number * HOSTS * SUBIDS;
    processes::end_all(&[uid..uid + HOSTS, subid..subid + HOSTS * SUBIDS])?;
    remove(&folder(number))
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
