//! A guest: a real host with a kernel and systemd of its own, which is a user-mode Linux on the switch.

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::artifacts;
use crate::command::At;
use crate::testbed::host::Transcript;
use crate::testbed::ids::{Allocation, HostIds};
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::{Inside, enter};
use crate::testbed::switch::Switch;

/// Long enough for a machine that does other things, too.
const BOOT: Duration = Duration::from_mins(5);
const POWER_OFF: Duration = Duration::from_mins(2);
/// Where a guest finds the directory with the program under test.
const PROGRAM: &str = "/srv/program";
const MEMORY: &str = "4G";

/// A guest with systemd, the user alice and the product; dropping it ends it and removes its disk.
pub struct Guest {
    allocation: &'static Allocation,
    ids: HostIds,
    number: usize,
    switch: u32,
    image: PathBuf,
    bundle: PathBuf,
    machine: Mutex<Option<Child>>,
    transcript: Transcript,
}

impl Guest {
    /// Guest `number` (from 1), up, with the program under test in its place.
    pub(crate) fn new(allocation: &'static Allocation, number: usize, switch: &Switch) -> Result<Self> {
        let (image, bundle) = (images()?, artifacts::bundle()?);
        let ids = allocation.allocate()?;
        fs::create_dir_all(ids.dir.join("program"))?;
        let (machine, transcript) = (Mutex::default(), Transcript::default());
        let guest = Self { allocation, ids, number, switch: switch.pid(), image, bundle, machine, transcript };
        switch.socket(&guest.name())?;
        fs::copy(artifacts::program()?, guest.programs().join("usernetes-rs")).context("cannot copy the program")?;
        guest.power_on()?;
        // Not through a login's input: a program of a hundred megabytes takes longer than a command may.
        guest.admin(&format!("install -m 755 {PROGRAM}/usernetes-rs /usr/local/bin"))?;
        Ok(guest)
    }

    pub(crate) fn switch(&self) -> u32 {
        self.switch
    }

    pub(crate) fn transcript(&self) -> Transcript {
        self.transcript.clone()
    }

    /// The command that logs in as a user.
    pub(crate) fn login(&self, user: &str) -> Vec<String> {
        let key = self.image.join("key").display().to_string();
        let options = ["BatchMode=yes", "ConnectTimeout=60", "IdentitiesOnly=yes", "LogLevel=ERROR"];
        let known = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ServerAliveInterval=20"];
        let mut words: Vec<String> = ["ssh", "-F", "none", "-i", &key].map(str::to_owned).into();
        words.extend(options.into_iter().chain(known).flat_map(|option| ["-o".to_owned(), option.to_owned()]));
        words.extend([format!("{user}@{}", self.address()), "--".to_owned()]);
        words
    }

    /// Boots it and waits until it takes logins.
    pub fn power_on(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.console())?;
        let mut command = Command::new("taskset");
        command.args(["-c", &self.processor()]).arg(self.image.join("linux")).args(self.arguments());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child =
            enter(self.switch, Inside::Everything, move || Ok(command.spawn()?)).context("cannot boot a guest")?;
        *self.machine() = Some(child);
        self.wait_for_login()
    }

    fn programs(&self) -> PathBuf {
        self.ids.dir.join("program")
    }

    /// A guest's kernel and its programs take turns at every system call: on two processors that takes thrice the time.
    /// Guests that run at the same time are on different ones.
    fn processor(&self) -> String {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        ((self.ids.ordinal() + 1) % all).to_string()
    }

    fn arguments(&self) -> Vec<String> {
        let dir = self.ids.dir.display();
        let (name, address, number) = (self.name(), self.address(), self.number);
        let line = format!(
            "mem={MEMORY} seccomp=on ncpus=1 lsm=apparmor umid={name} uml_dir={dir} \
             ubd0={dir}/disk,{image}/root.img root=/dev/ubda rw \
             con0=null,fd:1 con=null ssl=null console=tty0 \
             vec0:transport=raw,ifname={name},depth=128,gro=1,mac=52:54:00:00:00:{number:02} \
             ip={address}::{switch}:255.255.255.0:{name}:vec0:off systemd.hostname={name} \
             systemd.mount-extra=bundle:{at}:hostfs:ro,hostfs={bundle} \
             systemd.mount-extra=program:{PROGRAM}:hostfs:ro,hostfs={program}",
            image = self.image.display(),
            switch = crate::SWITCH,
            at = artifacts::BUNDLE,
            bundle = self.bundle.display(),
            program = self.programs().display(),
        );
        line.split(' ').map(str::to_owned).collect()
    }

    /// Waits for sshd, without a login: each that is given up costs the guest more than it takes to boot. Then for what
    /// logins of an ordinary user need, which sshd does not wait for.
    fn wait_for_login(&self) -> Result<()> {
        let end = Instant::now() + BOOT;
        let address: SocketAddr = format!("{}:22", self.address()).parse()?;
        let connect = move || Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
        while !enter(self.switch, Inside::Network, connect)? {
            if let Some(status) = self.machine().as_mut().context("it is off")?.try_wait()? {
                bail!("{} ended at boot ({status}):\n{}", self.name(), self.last_words());
            }
            ensure!(Instant::now() < end, "{} takes no login:\n{}", self.name(), self.last_words());
            std::thread::sleep(Duration::from_millis(200));
        }
        let left = end.saturating_duration_since(Instant::now()).as_secs().max(60);
        let ready = "systemctl start dbus.socket systemd-logind.service systemd-user-sessions.service";
        self.sh(ready).root().limit(left).ok().map(drop)
    }

    /// Cuts its power.
    pub fn power_cut(&self) -> Result<()> {
        let Some(mut child) = self.machine().take() else { return Ok(()) };
        // Its kernel and the programs on it are processes of one group.
        let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL)?;
        child.wait()?;
        Ok(())
    }

    /// Shuts it down in order and boots it again.
    pub fn reboot(&self) -> Result<()> {
        // The connection may end before the command.
        let _ = self.sh("systemctl poweroff").root().output()?;
        let end = Instant::now() + POWER_OFF;
        while self.machine().as_mut().context("it is off")?.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "{} does not shut down:\n{}", self.name(), self.last_words());
            std::thread::sleep(Duration::from_millis(100));
        }
        *self.machine() = None;
        self.power_on()
    }

    fn machine(&self) -> MutexGuard<'_, Option<Child>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.ids.dir.join("console")
    }

    fn last_words(&self) -> String {
        let text = fs::read(self.console()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Machine for Guest {
    const PERIOD: Duration = Duration::from_millis(500);

    fn at(&self) -> At<'_> {
        At::Guest(self)
    }

    fn name(&self) -> String {
        format!("guest{}", self.number)
    }

    fn address(&self) -> String {
        format!("198.51.100.{}", 20 + self.number)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Err(error) = self.power_cut().and_then(|()| self.allocation.free(&self.ids)) {
            crate::suite::print_error(&format!("{}: {error:#}", self.name()));
        }
    }
}

/// `U7S_REALHOST`, else what `hack/realhost` made last.
pub(crate) fn images() -> Result<PathBuf> {
    let given = std::env::var_os("U7S_REALHOST").map(PathBuf::from);
    let built = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/usernetes-dev/realhost/current"));
    let path = given.or(built).context("neither U7S_REALHOST nor HOME is set")?;
    let path = fs::canonicalize(&path).with_context(|| format!("no guests at {}: hack/realhost", path.display()))?;
    for file in ["linux", "root.img", "key"] {
        ensure!(path.join(file).is_file(), "{} has no {file}", path.display());
    }
    Ok(path)
}
