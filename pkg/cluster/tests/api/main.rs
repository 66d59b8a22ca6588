//! Requests to a real API server: etcd, kube-apiserver and kube-controller-manager of the
//! bundle as plain processes on loopback, with our certificates. The bundle is `U7S_BUNDLE`, or the cached one; without
//! it every test is shown as ignored, or fails where `U7S_E2E_REQUIRE=1`.

mod addresses;
mod discovery;
mod man_in_the_middle;
mod nodes;
mod objects;
mod ports;
mod server;
mod tls_bootstrap;
mod tokens;

use libtest_mimic::{Arguments, Failed, Trial};
use server::Server;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

type Outcome = Result<(), Failed>;
type Case = for<'a> fn(&'a Server) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), (|server| Box::pin($module::$name(server))) as Case)),*]
    };
}

/// In this order: the controller manager is started by the first test that needs it, so that those before show what
/// works without.
const CASES: &[(&str, Case)] = &cases![
    objects::administrators,
    objects::applied_twice_changes_nothing,
    tokens::life_of_a_token,
    tokens::kubeadm_sees_ours,
    discovery::finds_the_cluster,
    discovery::mistrusts,
    man_in_the_middle::learns_nothing,
    discovery::says_what_is_wrong_with_an_endpoint,
    nodes::stale_ready,
    nodes::marks,
    nodes::timeout_says_what_was_seen,
    ports::come_and_go,
    ports::renewed_credentials_are_read,
    ports::conflict_becomes_an_event,
    addresses::load_balancers_name_the_hosts,
    addresses::loopback_is_not_probed,
    nodes::drain,
    tls_bootstrap::without_a_signer,
    objects::default_service_account,
    tls_bootstrap::with_a_bootstrap_token,
    objects::deployment_that_cannot_start,
    discovery::waits_for_the_signer,
];

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let bundle = server::bundle();
    let required = std::env::var("U7S_E2E_REQUIRE").is_ok_and(|value| value == "1");
    let server: Arc<OnceLock<Server>> = Arc::default();
    let trial = |&(name, case): &(&str, Case)| {
        let (server, bundle) = (Arc::clone(&server), bundle.clone());
        let missing = bundle.is_none();
        let run = move || {
            let bundle = bundle.ok_or("no bundle: set U7S_BUNDLE or run hack/bundle")?;
            let server = server.get_or_init(|| Server::start(bundle));
            server.runtime.block_on(case(server))
        };
        Trial::test(name, run).with_ignored_flag(missing && !required)
    };
    let conclusion = libtest_mimic::run(&arguments, CASES.iter().map(trial).collect());
    // Ends the processes: a static would never be dropped.
    drop(server);
    conclusion.exit_code()
}
