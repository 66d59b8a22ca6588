//! `stop`: stops the node; everything is kept.

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::Result;
use std::process::ExitCode;
use usernetes_api::{Duration, RootlessConfiguration};
use usernetes_host::lock::Lock;

/// Flag of the commands that stop a node.
#[derive(Debug, clap::Args)]
pub(super) struct StopTimeout {
    /// Time for pods to end, at most stopTimeout of the configuration [default: that]
    #[arg(long, value_name = "DURATION")]
    stop_timeout: Option<Duration>,
}

impl StopTimeout {
    /// The time of the flag, if it is given and not too long.
    pub(super) fn get(&self, session: &Session) -> Result<Option<Duration>> {
        let Some(timeout) = self.stop_timeout else { return Ok(None) };
        let longest = session.config()?.rootless.stop_timeout();
        if timeout <= longest {
            return Ok(Some(timeout));
        }
        let config = session.paths().config();
        let hint = if timeout <= RootlessConfiguration::LONGEST_STOP {
            format!("set stopTimeout: {timeout} in the RootlessConfiguration {}", config.display())
        } else {
            format!("pass at most {longest}")
        };
        Err(Hinted::new(format!("--stop-timeout {timeout} is longer than stopTimeout, {longest}"), hint).into())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    timeout: StopTimeout,
}

pub(crate) fn run(args: &StopArgs, session: &Session) -> Result<ExitCode> {
    let timeout = args.timeout.get(session)?;
    let _lock = Lock::acquire(session.paths().lock(), "stop")?;
    let stopped = session.instance.stop(timeout)?;
    let flag = session.cluster_flag();
    session.printer.result(&if stopped {
        format!("stopped; usernetes-rs{flag} start starts it again with its data")
    } else {
        "not running".to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
