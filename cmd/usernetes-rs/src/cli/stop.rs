//! `stop`: stops the node; everything is kept.

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::Result;
use std::process::ExitCode;
use usernetes_api::Duration;
use usernetes_host::lock::Lock;

#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// Time for pods to end, at most stopTimeout of the configuration [default: that]
    #[arg(long, value_name = "DURATION")]
    stop_timeout: Option<Duration>,
}

pub(crate) fn run(args: &StopArgs, session: &Session) -> Result<ExitCode> {
    let longest = session.config()?.rootless.stop_timeout();
    if let Some(timeout) = args.stop_timeout
        && timeout > longest
    {
        let hint =
            format!("set stopTimeout: {timeout} in the RootlessConfiguration {}", session.paths().config().display());
        return Err(Hinted::new(format!("--stop-timeout {timeout} is longer than stopTimeout, {longest}"), hint).into());
    }
    let _lock = Lock::acquire(session.paths().lock(), "stop")?;
    let stopped = session.instance.stop(args.stop_timeout)?;
    let flag = session.cluster_flag();
    session.printer.result(&if stopped {
        format!("stopped; usernetes-rs{flag} start starts it again with its data")
    } else {
        "not running".to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
