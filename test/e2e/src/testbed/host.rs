//! A host: namespaces of this machine with an ordinary user.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::artifacts::Artifacts;
use crate::command::output::Output;
use crate::command::processes::{self, Process};
use crate::command::{At, PATH};
use crate::testbed::ids::{Allocation, HostIds, SUBIDS, USERADDS};
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::spawn_init;

/// Users of the hosts, in order.
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// Time that a workflow may take on a loaded machine.
pub(crate) const WORKFLOW: u64 = 300;

/// Every command that ran on a host, with its output.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    pub(crate) fn add(&self, output: &Output) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&output.to_string());
    }

    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A host with its ordinary user; dropping it ends and removes everything on it.
pub struct Host {
    allocation: &'static Allocation,
    ids: HostIds,
    first: Child,
    number: usize,
    transcript: Transcript,
}

impl Host {
    /// Host `number` (from 1) with a home, an account and devices of its own, not yet on a network.
    pub(crate) fn new(allocation: &'static Allocation, number: usize, product: &Artifacts) -> Result<Self> {
        let ids = allocation.allocate()?;
        let first = spawn_init()?;
        let host = Self { allocation, ids, first, number, transcript: Transcript::default() };
        let files = host.files();
        let users = USERS.get(number - 1).context("more hosts than users")?;
        fs::create_dir_all(files.join("home").join(users))?;
        let mut setup = host.run(&["sh", "-eu", "-c", include_str!("host.sh")]).root();
        let shown = |path: Option<&Path>| path.unwrap_or(Path::new("")).to_string_lossy().into_owned();
        // Two ranges, as useradd and preflight's hint leave them.
        let first = host.ids.subids.start;
        let subids = format!("{first}:{USERADDS} {}:{}", first + USERADDS, SUBIDS - USERADDS);
        let pairs = [
            ("DIR", files.to_string_lossy().into_owned()),
            ("USER", host.user().to_owned()),
            ("ID", host.uid().to_string()),
            ("SUBIDS", subids),
            ("NAME", host.name()),
            ("ADDRESS", host.address()),
            ("SWITCH", crate::SWITCH.to_owned()),
            ("PROGRAM", shown(product.program.as_deref())),
            ("BUNDLE", shown(product.bundle.as_deref())),
        ];
        for (name, value) in &pairs {
            setup = setup.env(name, value);
        }
        setup.ok().context("cannot prepare a host")?;
        Ok(host)
    }

    /// Its ordinary user's name.
    pub fn user(&self) -> &'static str {
        USERS[self.number - 1]
    }

    /// Its user's id as the machine sees it.
    pub fn uid(&self) -> u32 {
        self.ids.uid
    }

    /// Its user's home, as the host sees it.
    pub fn home(&self) -> String {
        format!("/home/{}", self.user())
    }

    /// `XDG_RUNTIME_DIR`, as the host sees it.
    pub fn runtime_dir(&self) -> String {
        format!("/run/user/{}", self.uid())
    }

    /// A path of the user's home as this process sees it.
    pub fn in_home(&self, path: impl AsRef<Path>) -> PathBuf {
        self.files().join("home").join(self.user()).join(path)
    }

    /// The state directory of the cluster `default`, as this process sees it.
    pub fn state(&self) -> PathBuf {
        self.in_home(".local/share/usernetes/default")
    }

    /// The directory of all its files.
    fn files(&self) -> PathBuf {
        self.ids.dir.clone()
    }

    /// Its first process, as the machine sees it.
    pub(crate) fn pid(&self) -> u32 {
        self.first.id()
    }

    pub(crate) fn transcript(&self) -> Transcript {
        self.transcript.clone()
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let pairs = [
            ("HOME", self.home()),
            ("USER", self.user().to_owned()),
            ("LOGNAME", self.user().to_owned()),
            ("SHELL", "/bin/bash".to_owned()),
            ("PATH", PATH.to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("XDG_RUNTIME_DIR", self.runtime_dir()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Processes of its user and of that user's subordinate ids.
    pub fn processes(&self) -> Result<Vec<Process>> {
        processes::of(&[self.uid()..self.uid() + 1, self.ids.subids.clone()])
    }

    /// Whether an id is one of its user's subordinate ids.
    pub fn is_subordinate(&self, id: u32) -> bool {
        self.ids.subids.contains(&id)
    }

    /// Waits until its user has no process; names those that stay.
    pub fn silent(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            let left = self.processes()?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "still running on {}: {left:#?}", self.name());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The mounts of the host, one per line, as `/proc/self/mountinfo` has them.
    pub fn mounts(&self) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/mountinfo", self.pid()))?)
    }

    /// Writes a file into the user's home, owned by the user.
    pub fn write(&self, path: &str, text: &str) -> Result<String> {
        let script = "umask 077; mkdir -p \"$(dirname \"$1\")\"; cat > \"$1\"";
        let full = format!("{}/{path}", self.home());
        self.run(&["sh", "-euc", script, "write", &full]).input(text).ok()?;
        Ok(full)
    }
}

impl Machine for Host {
    const PERIOD: Duration = Duration::from_millis(100);

    fn at(&self) -> At<'_> {
        At::Host(self)
    }

    fn name(&self) -> String {
        format!("host{}", self.number)
    }

    fn address(&self) -> String {
        format!("198.51.100.{}", 10 + self.number)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The kernel has ended every process of the host when its first one has been waited for.
        drop(self.first.stdin.take());
        let ended = self.first.kill().and_then(|()| self.first.wait().map(drop));
        let freed = ended.map_err(Into::into).and_then(|()| self.allocation.free(&self.ids));
        if let Err(error) = freed {
            crate::suite::print_error(&format!("{}: {error:#}", self.name()));
        }
    }
}
