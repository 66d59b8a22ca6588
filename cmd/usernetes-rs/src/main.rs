//! `usernetes-rs`: a real Kubernetes cluster as an ordinary user.

mod cli;
mod daemon;
mod errors;
mod interrupt;
mod journal;
mod log;
mod phases;
mod session;
mod shim;
mod ui;
mod workflow;

use std::process::ExitCode;

/// A process that enters a user namespace must have one thread: roles that do so are taken before clap, tracing
/// or tokio exist.
fn main() -> ExitCode {
    if let Some(code) = shim::run() {
        return code;
    }
    // Who starts us may have blocked signals, and all that we start inherits that: a node would not stop for SIGTERM.
    nix::sys::signal::SigSet::empty().thread_set_mask().expect("a mask can be set");
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("the first provider of this process");
    let node = |context| {
        log::to_stderr(log::NODE);
        daemon::payload(context)
    };
    if let Some(code) = usernetes_rootless::child_main(node) {
        return code;
    }
    cli::main()
}
