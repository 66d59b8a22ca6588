//! `kubectl`: the bundle's, with this cluster's kubeconfig. It replaces this process, so signals, terminal and exit code
//! are its own.

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use usernetes_node::bundle;

#[derive(Debug, clap::Args)]
pub(crate) struct KubectlArgs {
    /// kubectl's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

pub(crate) fn run(session: &Session, args: KubectlArgs) -> Result<ExitCode> {
    let config = session.config()?;
    let program = bundle::find_bundle(&config, session.paths())?.program("kubectl");
    let mut command = Command::new(&program);
    let kubeconfig = session.paths().admin_conf();
    // `--kubeconfig` among the arguments overrides the variable, as usual.
    if kubeconfig.exists() {
        command.env("KUBECONFIG", kubeconfig);
        // A host's proxy does not lead to the user's own cluster.
        let exceptions = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| std::env::var(name).ok());
        let (server, _) = config.control_plane_endpoint();
        command.env("NO_PROXY", exceptions.into_iter().chain([server]).collect::<Vec<_>>().join(","));
    } else if std::env::var_os("KUBECONFIG").is_none() {
        return Err(Hinted::new(
            "this host has no administrator's kubeconfig: it joined the cluster as a worker",
            "run it on the control-plane host, or set KUBECONFIG to a copy of its admin.conf",
        )
        .into());
    }
    let error = command.args(args.args).exec();
    Err(error).with_context(|| format!("cannot execute {}", program.display()))
}
