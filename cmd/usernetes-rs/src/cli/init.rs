//! `init`: flags to documents, and the run of the workflow.

use super::args::{DocumentArgs, PhaseCommand};
use crate::errors::Hinted;
use crate::phases::init::{INIT, InitData, InitOptions};
use crate::phases::{note_foreign_phases, run_workflow};
use crate::session::Session;
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Flags of `init`, named as kubeadm's.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false, after_long_help = help())]
pub(crate) struct InitArgs {
    #[command(flatten)]
    documents: DocumentArgs,
    /// Skip printing of the join command
    #[arg(long, help_heading = "Token")]
    skip_token_print: bool,
    /// Add the cluster to ~/.kube/config and make it the current context
    #[arg(long, help_heading = "Cluster")]
    merge_kubeconfig: bool,
    /// Phases to skip
    #[arg(long, value_delimiter = ',', value_name = "PHASES", global = true)]
    skip_phases: Vec<String>,
    #[command(subcommand)]
    phase: Option<PhaseCommand<InitData>>,
}

fn help() -> String {
    format!("{}\nExample:\n  usernetes-rs init --pod-network-cidr 10.200.0.0/16\n", INIT.render_help())
}

impl InitArgs {
    /// `init phase` alone.
    pub(crate) fn wants_phase_list(&self) -> bool {
        self.phase.as_ref().is_some_and(PhaseCommand::is_list)
    }
}

pub(crate) fn run(session: Session, args: InitArgs) -> Result<ExitCode> {
    refuse_worker(&session)?;
    let mut config = args.documents.resolve(&session)?;
    config.init.skip_phases.extend(args.skip_phases.iter().cloned());
    let selection = match &args.phase {
        Some(phase) => phase.select()?,
        None => INIT.select_without(&config.init.skip_phases)?,
    };
    note_foreign_phases(&session, &INIT, &config.init.skip_phases);
    let options = InitOptions { merge_kubeconfig: args.merge_kubeconfig, skip_token_print: args.skip_token_print };
    let mut data = InitData::new(session, config, options)?;
    run_workflow(&INIT, selection, &mut data, args.phase.is_none())
}

/// A host on which `join` has begun or finished cannot become a control plane.
fn refuse_worker(session: &Session) -> Result<()> {
    if session.kept_config()?.is_none_or(|kept| kept.join.is_none()) {
        return Ok(());
    }
    let flag = session.cluster_flag();
    let reset = format!("usernetes-rs{flag} reset removes it; --cluster NAME makes another node beside it");
    if session.paths().has_joined() {
        return Err(Hinted::new("this host is a worker of a cluster already", reset).into());
    }
    let hint = format!("usernetes-rs{flag} join continues; {reset}");
    Err(Hinted::new("this host has begun to join a cluster", hint).into())
}
