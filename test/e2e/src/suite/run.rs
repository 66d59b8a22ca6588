//! Runs one scenario: checks what it needs, makes its hosts or its cluster, reports its result, keeps evidence of a failure.

use anyhow::{Result, anyhow};
use libtest_mimic::{Completion, Failed, Trial};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::suite::diagnostics;
use crate::suite::report::{self, Begin, CLUSTER, HostKind};
use crate::suite::scenario::{Scenario, Setup, SharedCluster, Topology};
use crate::testbed::Testbed;

/// Set where nothing may be skipped silently.
const REQUIRE: &str = "U7S_E2E_REQUIRE";

/// The shared cluster once it is made, or why it could not be.
pub(crate) type Cluster = Arc<Mutex<Option<Result<Testbed, String>>>>;

/// The scenario as a test of libtest-mimic.
pub(crate) fn trial(scenario: Scenario, suite: &'static str, cluster: Cluster, shared: Option<SharedCluster>) -> Trial {
    let kind = scenario.host_kind(shared);
    Trial::ignorable_test(scenario.name, move || {
        // The cluster is made before the clock of its first scenario starts.
        let mut begin = Begin::now();
        let result = missing(&scenario).unwrap_or_else(|| {
            let outcome = match scenario.setup {
                Setup::Own(topology, run) => on_own_hosts(suite, scenario.name, topology, run),
                Setup::Shared(run) => on_shared_cluster(suite, scenario.name, &cluster, shared, run, &mut begin),
            };
            outcome.map(|()| Completion::Completed).map_err(Failed::from)
        });
        report::add(&begin.end(suite, scenario.name, kind, &result));
        result
    })
}

/// The result of a scenario whose needs this machine does not meet.
fn missing(scenario: &Scenario) -> Option<Result<Completion, Failed>> {
    let missing = scenario.needs.iter().try_for_each(|need| need.check()).err()?;
    let reason = format!("{missing:#}");
    let strict = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
    Some(if strict { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) })
}

fn on_own_hosts(suite: &str, name: &str, topology: Topology, run: fn(&Testbed) -> Result<()>) -> Result<(), String> {
    let testbed = Testbed::new(topology).map_err(|e| format!("cannot make the hosts: {e:#}"))?;
    run_on(suite, name, &testbed, run)
}

/// The first scenario makes the cluster; when that fails, the others fail without trying it again.
fn on_shared_cluster(
    suite: &str,
    name: &str,
    cluster: &Cluster,
    shared: Option<SharedCluster>,
    run: fn(&Testbed) -> Result<()>,
    begin: &mut Begin,
) -> Result<(), String> {
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    let testbed = cluster.get_or_insert_with(|| {
        let testbed = create(suite, shared);
        let result = testbed.as_ref().map(|_| Completion::Completed).map_err(Failed::from);
        let kind = HostKind::of(shared.map(|shared| shared.topology).unwrap_or_default());
        report::add(&begin.end(suite, CLUSTER, kind, &result));
        *begin = Begin::now();
        testbed
    });
    match testbed {
        Ok(testbed) => run_on(suite, name, testbed, run),
        Err(why) => Err(format!("no shared cluster: {why}")),
    }
}

fn create(suite: &str, shared: Option<SharedCluster>) -> Result<Testbed, String> {
    let shared = shared.ok_or("this binary has none")?;
    let testbed = Testbed::new(shared.topology).map_err(|e| format!("cannot make the hosts: {e:#}"))?;
    run_on(suite, CLUSTER, &testbed, shared.create)?;
    Ok(testbed)
}

fn run_on(suite: &str, name: &str, testbed: &Testbed, run: fn(&Testbed) -> Result<()>) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(testbed)));
    outcome.unwrap_or_else(|_| Err(anyhow!("panicked, see above"))).map_err(|error| {
        let failure = error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let kept = diagnostics::keep(suite, name, &failure, Some(testbed));
        format!("{}\nkept: {}", diagnostics::brief(&failure), kept.display())
    })
}
