//! `stop`: stops the node; everything is kept.

use crate::session::Session;
use anyhow::Result;
use std::process::ExitCode;
use usernetes_host::lock::Lock;

pub(crate) fn run(session: &Session) -> Result<ExitCode> {
    session.config()?;
    let _lock = Lock::acquire(session.paths().lock(), "stop")?;
    let stopped = session.instance.stop()?;
    let flag = session.cluster_flag();
    session.printer.result(&if stopped {
        format!("stopped; usernetes-rs{flag} start starts it again with its data")
    } else {
        "not running".to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
