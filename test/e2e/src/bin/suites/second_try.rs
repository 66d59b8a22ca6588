//! What failed runs once more, alone: this separates mistakes from a machine under load. Passing then is named, as it is a bug
//! all the same.

use anyhow::Result;
use usernetes_e2e::report::{self, Entry, Outcome};

use crate::job::{End, Ended, Job};
use crate::jobs::of_scenarios;
use crate::schedule::{Limits, Scheduler};

/// Repeats each failed suite's failed scenarios, one suite at a time.
pub(crate) fn run(scheduler: &mut Scheduler, results: &mut [Ended], limits: &Limits) -> Result<()> {
    let entries = report::read(scheduler.report())?;
    let alone = Limits { at_once: 1, end: limits.end };
    for first in results.iter_mut().filter(|ended| ended.end == End::Failed) {
        let Some(mut again) = repeated(&first.job, &entries) else { continue };
        again.after.clear();
        again.name = format!("{}, once more", again.name);
        let second = scheduler.run(vec![again], &alone)?;
        if second.iter().all(|ended| ended.end == End::Passed) {
            first.end = End::Flaky;
        }
    }
    Ok(())
}

/// The job with what failed in it; one story in order, and what ended without a report, as a whole.
fn repeated(job: &Job, entries: &[Entry]) -> Option<Job> {
    let (suite, names) = job.scenarios.as_ref().filter(|(_, names)| !names.is_empty())?;
    let last = |name: &String| entries.iter().rfind(|entry| entry.suite == *suite && entry.scenario == *name);
    let failed = |name: &&String| last(name).is_none_or(|entry| entry.result == Outcome::Failed);
    let left: Vec<String> = names.iter().filter(failed).cloned().collect();
    let whole = left.is_empty() || suite == "realhost";
    Some(if whole { job.clone() } else { of_scenarios(job.clone(), suite, left) })
}
