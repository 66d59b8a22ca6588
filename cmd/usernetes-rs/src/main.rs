//! `usernetes-rs`: a real Kubernetes cluster as an ordinary user.

mod arguments;
mod cli;
mod entry;
mod errors;
mod interrupt;
mod journal;
mod output;
mod phases;
mod session;
mod workflow;

use output::log;
use std::process::ExitCode;

/// A process that enters a user namespace must have one thread: roles that do so come before clap, tracing and tokio.
fn main() -> ExitCode {
    if let Some(code) = entry::run_as_plugin() {
        return code;
    }
    let arguments = arguments::read_arguments();
    // A caller may have blocked signals, which children inherit, or ignored SIGCHLD, which hides how children end.
    nix::sys::signal::SigSet::empty().thread_set_mask().expect("a mask can be set");
    usernetes_host::process::prepare_process().expect("signals can be handled");
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("the first provider of this process");
    let payload = |context| {
        log::init(log::NODE);
        usernetes_daemon::payload(context)
    };
    if let Some(code) = usernetes_rootless::child_main(payload) {
        return code;
    }
    cli::main(&arguments)
}
