//! Runs jobs, several at a time, each into a log of its own.

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use usernetes_e2e::signals;

use crate::job::{End, Ended, Job, Lane};
use crate::{say, summary};

/// How much may run, and until when.
pub(crate) struct Limits {
    /// Suites that run at the same time; builds have a place of their own.
    pub(crate) at_once: usize,
    /// No suite begins that is expected to end later.
    pub(crate) end: Instant,
}

enum Event {
    Ended { name: String, success: bool },
    Signal(Signal),
}

struct Running {
    job: Job,
    group: Pid,
    since: Instant,
    log: PathBuf,
}

/// Runs lists of jobs.
pub(crate) struct Scheduler {
    output: PathBuf,
    report: PathBuf,
    events: Receiver<Event>,
    sender: Sender<Event>,
    running: HashMap<String, Running>,
}

impl Scheduler {
    /// One whose logs go to `output`; a signal ends everything.
    pub(crate) fn new(output: PathBuf, report: PathBuf) -> Result<Self> {
        let (sender, events) = channel();
        let to = sender.clone();
        signals::catch(move |signal| drop(to.send(Event::Signal(signal))))?;
        Ok(Self { output, report, events, sender, running: HashMap::new() })
    }

    /// The file to which suites report.
    pub(crate) fn report(&self) -> &std::path::Path {
        &self.report
    }

    /// Runs the jobs, the longest first, and returns how they ended.
    pub(crate) fn run(&mut self, mut waiting: Vec<Job>, limits: &Limits) -> Result<Vec<Ended>> {
        // Builds keep their order; it is stable.
        waiting.sort_by_key(|job| if job.lane == Lane::Build { 0 } else { u64::MAX - job.seconds });
        let mut ended: Vec<Ended> = Vec::new();
        while !waiting.is_empty() || !self.running.is_empty() {
            self.drop_what_cannot_run(&mut waiting, &mut ended, limits);
            while let Some(next) = self.next(&waiting, &ended, limits) {
                self.start(waiting.remove(next))?;
            }
            if self.running.is_empty() {
                continue;
            }
            match self.events.recv()? {
                Event::Ended { name, success } => ended.extend(self.finished(&name, success)),
                Event::Signal(signal) => self.interrupted(signal)?,
            }
        }
        Ok(ended)
    }

    /// Position of a job that may start now.
    fn next(&self, waiting: &[Job], ended: &[Ended], limits: &Limits) -> Option<usize> {
        let busy = |lane| self.running.values().filter(|running| running.job.lane == lane).count();
        let passed = |name: &str| ended.iter().any(|one| one.job.name == name && one.end == End::Passed);
        waiting.iter().position(|job| {
            let places = if job.lane == Lane::Build { 1 } else { limits.at_once };
            busy(job.lane) < places && job.after.iter().all(|name| passed(name))
        })
    }

    fn drop_what_cannot_run(&self, waiting: &mut Vec<Job>, ended: &mut Vec<Ended>, limits: &Limits) {
        let late =
            |job: &Job| job.lane == Lane::Suite && Instant::now() + Duration::from_secs(job.seconds) > limits.end;
        loop {
            let has = |name: &str| waiting.iter().any(|job| job.name == name) || self.running.contains_key(name);
            let passed = |name: &str| ended.iter().any(|one| one.job.name == name && one.end == End::Passed);
            let lost = waiting.iter().position(|job| late(job) || !job.after.iter().all(|n| has(n) || passed(n)));
            let Some(lost) = lost else { return };
            let job = waiting.remove(lost);
            let end = if late(&job) { End::LeftOut } else { End::Blocked };
            ended.push(Ended { job, end, took: Duration::ZERO, log: PathBuf::new() });
        }
    }

    fn start(&mut self, job: Job) -> Result<()> {
        let log = self.output.join(format!("{}.log", job.name.replace(['/', ' '], "-")));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // If this program is killed, its jobs get a signal.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "nice", "-n", if job.lane == Lane::Build { "5" } else { "0" }]);
        command.args(&job.command).envs(job.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", job.name))?;
        let group = Pid::from_raw(child.id().cast_signed());
        self.watch(job.name.clone(), child);
        say(&format!("--- {} begins", job.name));
        self.running.insert(job.name.clone(), Running { job, group, since: Instant::now(), log });
        Ok(())
    }

    fn watch(&self, name: String, mut child: Child) {
        let to = self.sender.clone();
        thread::spawn(move || {
            let success = child.wait().is_ok_and(|status| status.success());
            let _ = to.send(Event::Ended { name, success });
        });
    }

    fn finished(&mut self, name: &str, success: bool) -> Option<Ended> {
        let Running { job, since, log, .. } = self.running.remove(name)?;
        let end = if success { End::Passed } else { End::Failed };
        let ended = Ended { job, end, took: since.elapsed(), log };
        summary::show(&ended, &self.report);
        Some(ended)
    }

    /// Ends every job, waits until each has cleaned up, and gives up.
    fn interrupted(&mut self, signal: Signal) -> Result<()> {
        for running in self.running.values() {
            match killpg(running.group, Signal::SIGTERM) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => say(&format!("cannot end {}: {error}", running.job.name)),
            }
        }
        while !self.running.is_empty() {
            if let Event::Ended { name, .. } = self.events.recv()? {
                self.running.remove(&name);
            }
        }
        bail!("ended by {signal}")
    }
}
