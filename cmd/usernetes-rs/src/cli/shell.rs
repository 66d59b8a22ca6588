//! `shell`: a shell or a command inside the node's namespaces.

use crate::session::{ADMIN_CONF, Session};
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;
use usernetes_node::bundle;

#[derive(Debug, clap::Args)]
pub(crate) struct ShellArgs {
    /// Command and its arguments [default: a shell]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(session: &Session, args: ShellArgs) -> Result<ExitCode> {
    let child = session.instance.connect()?.info()?.child_pid;
    let words = if args.command.is_empty() { vec!["/bin/bash".into()] } else { args.command };
    let bundle = bundle::find_bundle(&session.config()?, session.paths())?;
    let programs = bundle.dir().join("bin");
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    let mut command = usernetes_rootless::enter_command(child, words);
    command.env("PATH", path);
    if session.kubeconfig(ADMIN_CONF).exists() {
        command.env("KUBECONFIG", "/etc/kubernetes/admin.conf");
    }
    Err(command.exec()).context("cannot enter the node")
}
