//! Runs scenarios one after another, ignores what the machine cannot do, keeps evidence of failures, cleans up always.

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sys::signal::{SigSet, Signal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::capability::Need;
use crate::plan::{self, Planned};
use crate::report::{self, Begin, HostKind};
use crate::rig::{self, Rig};
use crate::{evidence, first_process, namespaces};

/// Set where nothing may be skipped silently.
const REQUIRE: &str = "U7S_E2E_REQUIRE";

/// One thing that a user does, on real processes.
pub struct Scenario {
    name: &'static str,
    needs: Vec<Need>,
    stage: Stage,
    kind: Option<HostKind>,
}

enum Stage {
    /// Hosts of its own.
    Own(Crew, fn(&Rig) -> Result<()>),
    /// The cluster that all scenarios of its kind in this binary share.
    Shared(fn(&Rig) -> Result<()>),
}

/// Who is on the switch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crew {
    /// Hosts that are namespaces of this machine.
    pub hosts: usize,
    /// Hosts with a kernel and a systemd of their own.
    pub guests: usize,
}

impl Crew {
    /// So many guests and no host.
    pub const fn guests(guests: usize) -> Self {
        Self { hosts: 0, guests }
    }
}

impl From<usize> for Crew {
    fn from(hosts: usize) -> Self {
        Self { hosts, guests: 0 }
    }
}

/// The cluster that scenarios of a binary share: so many hosts, and what makes the cluster of them.
#[derive(Clone, Copy)]
pub struct Shared {
    /// Who is on the switch.
    pub crew: Crew,
    /// Makes the cluster.
    pub raise: fn(&Rig) -> Result<()>,
}

type Cluster = Arc<Mutex<Option<Result<Rig, String>>>>;

impl Scenario {
    /// A scenario with fresh hosts.
    pub fn own(name: &'static str, crew: impl Into<Crew>, needs: &[Need], play: fn(&Rig) -> Result<()>) -> Self {
        Self { name, needs: needs.to_vec(), stage: Stage::Own(crew.into(), play), kind: None }
    }

    /// A scenario on the shared cluster.
    pub fn shared(name: &'static str, play: fn(&Rig) -> Result<()>) -> Self {
        let needs = vec![Need::Hosts, Need::Program, Need::Bundle, Need::Command("init")];
        Self { name, needs, stage: Stage::Shared(play), kind: None }
    }

    /// A scenario on the shared cluster, whose crew needs something else than hosts.
    pub fn raised(name: &'static str, needs: &[Need], play: fn(&Rig) -> Result<()>) -> Self {
        Self { name, needs: needs.to_vec(), stage: Stage::Shared(play), kind: None }
    }

    /// Of another kind of host than its crew would tell.
    #[must_use]
    pub fn on(mut self, kind: HostKind) -> Self {
        self.kind = Some(kind);
        self
    }

    fn trial(self, suite: &'static str, cluster: Cluster, plan: Option<Shared>) -> Trial {
        let (name, kind) = (self.name, self.kind.unwrap_or_else(|| HostKind::of(self.crew(plan))));
        Trial::ignorable_test(self.name, move || {
            // The cluster is made before the clock of its first scenario starts.
            let mut begin = Begin::now();
            let result = self.missing().unwrap_or_else(|| {
                let played = match self.stage {
                    Stage::Own(crew, play) => own(suite, name, crew, play),
                    Stage::Shared(play) => shared(suite, name, &cluster, plan, play, &mut begin),
                };
                played.map(|()| Completion::Completed).map_err(Failed::from)
            });
            report::add(&begin.end(suite, name, kind, &result));
            result
        })
    }

    /// The result of a scenario whose needs this machine does not meet.
    fn missing(&self) -> Option<Result<Completion, Failed>> {
        let missing = self.needs.iter().try_for_each(|need| need.check()).err()?;
        let reason = format!("{missing:#}");
        let strict = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
        Some(if strict { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) })
    }

    fn planned(&self, plan: Option<Shared>) -> Planned {
        let crew = self.crew(plan);
        let shared = matches!(self.stage, Stage::Shared(_));
        Planned { name: self.name.to_owned(), shared, hosts: crew.hosts, guests: crew.guests }
    }

    fn crew(&self, plan: Option<Shared>) -> Crew {
        match self.stage {
            Stage::Own(crew, _) => crew,
            Stage::Shared(_) => plan.map(|plan| plan.crew).unwrap_or_default(),
        }
    }
}

fn own(suite: &str, name: &str, crew: Crew, play: fn(&Rig) -> Result<()>) -> Result<(), String> {
    let rig = Rig::new(crew).map_err(|e| format!("cannot make the hosts: {e:#}"))?;
    on(suite, name, &rig, play)
}

/// The first scenario raises the cluster; when that fails, the others say so without trying again.
fn shared(
    suite: &str,
    name: &str,
    cluster: &Cluster,
    plan: Option<Shared>,
    play: fn(&Rig) -> Result<()>,
    begin: &mut Begin,
) -> Result<(), String> {
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    let rig = cluster.get_or_insert_with(|| {
        let rig = raised(suite, plan);
        let result = rig.as_ref().map(|_| Completion::Completed).map_err(Failed::from);
        let kind = HostKind::of(plan.map(|plan| plan.crew).unwrap_or_default());
        report::add(&begin.end(suite, report::CLUSTER, kind, &result));
        *begin = Begin::now();
        rig
    });
    match rig {
        Ok(rig) => on(suite, name, rig, play),
        Err(why) => Err(format!("no shared cluster: {why}")),
    }
}

fn raised(suite: &str, plan: Option<Shared>) -> Result<Rig, String> {
    let plan = plan.ok_or("this binary has none")?;
    let rig = Rig::new(plan.crew).map_err(|e| format!("cannot make the hosts: {e:#}"))?;
    on(suite, report::CLUSTER, &rig, plan.raise)?;
    Ok(rig)
}

fn on(suite: &str, name: &str, rig: &Rig, play: fn(&Rig) -> Result<()>) -> Result<(), String> {
    let played = catch_unwind(AssertUnwindSafe(|| play(rig))).unwrap_or_else(|_| Err(anyhow!("panicked, see above")));
    played.map_err(|error| {
        let failure = error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let kept = evidence::keep(suite, name, &failure, Some(rig));
        format!("{}\nkept: {}", evidence::brief(&failure), kept.display())
    })
}

/// What the `main` of every test binary calls.
pub fn main(suite: &'static str, scenarios: Vec<Scenario>, plan: Option<Shared>) -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == namespaces::FIRST_PROCESS) {
        return first_process::run().map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS);
    }
    if std::env::args().nth(1).is_some_and(|word| word == plan::FLAG) {
        let planned: Vec<_> = scenarios.iter().map(|scenario| scenario.planned(plan)).collect();
        return plan::print(&planned).map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS);
    }
    if let Err(error) = clean_up_at_signals() {
        return fail(&error);
    }
    let wanted = plan::wanted();
    let mut arguments = Arguments::from_args();
    // Each scenario may load both cores of a small machine; order and time limits rest on one at a time.
    arguments.test_threads = Some(1);
    let cluster = Cluster::default();
    let scenarios = scenarios.into_iter().filter(|s| wanted.as_ref().is_none_or(|names| names.contains(s.name)));
    let trials = scenarios.map(|s| s.trial(suite, cluster.clone(), plan)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(cluster.lock().unwrap_or_else(PoisonError::into_inner).take());
    match rig::give_back() {
        Ok(()) => conclusion.exit_code(),
        Err(error) => fail(&error),
    }
}

/// Signals are taken by a thread that removes everything and then ends the process.
pub(crate) fn clean_up_at_signals() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("cannot block signals")?;
    thread::spawn(move || {
        let signal = signals.wait().unwrap_or(Signal::SIGTERM);
        if let Err(error) = rig::give_back() {
            complain(&format!("{error:#}"));
        }
        std::process::exit(evidence::code(signal));
    });
    Ok(())
}

pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "the only way to tell the person who runs the tests")]
pub(crate) fn complain(text: &str) {
    eprintln!("usernetes-e2e: {text}");
}
