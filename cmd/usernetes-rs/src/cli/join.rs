//! `join`: one string, or kubeadm's classic flags, or a file; then the run of the workflow.

mod discovery;
mod taken;

use super::HostArgs;
use super::init::PhaseCommand;
use super::secret::TOKEN;
use crate::daemon::address::{self, Fate};
use crate::errors::UsageError;
use crate::phases::join::{JOIN, JoinData};
use crate::phases::{common, run_workflow};
use crate::session::{Session, host_facts, read_config};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;
use usernetes_api::{Config, Discovery, JoinConfiguration};
use usernetes_pki::{BootstrapToken, JoinToken};

/// Flags of `join`, named as kubeadm's.
#[derive(Debug, Args)]
#[command(after_long_help = JOIN.help())]
pub(crate) struct JoinArgs {
    /// The token that init printed, or HOST:PORT with --token; - reads either from standard input
    #[arg(value_name = "TOKEN|HOST:PORT|-")]
    target: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    /// Bootstrap token ID.SECRET, for discovery and for the TLS bootstrap
    #[arg(long, value_name = "TOKEN", env = "USERNETES_TOKEN", hide_env_values = true, value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Pin of the cluster's CA, sha256:HEX; may be given several times
    #[arg(long, value_delimiter = ',', value_name = "PIN", conflicts_with = "discovery_file")]
    discovery_token_ca_cert_hash: Vec<String>,
    /// Go on without a pin: whoever answers at HOST:PORT is believed
    #[arg(long, conflicts_with = "discovery_file")]
    discovery_token_unsafe_skip_ca_verification: bool,
    /// A kubeconfig, or its https URL, that names and trusts the cluster
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    discovery_file: Option<String>,
    /// Token for the TLS bootstrap alone
    #[arg(long, value_name = "TOKEN", value_parser = TOKEN)]
    tls_bootstrap_token: Option<BootstrapToken>,
    /// Take the bundle from the control plane's host, over the verified connection to its API server
    #[arg(long, conflicts_with = "bundle")]
    bundle_from_peer: bool,
    /// Phases to leave out
    #[arg(long, value_delimiter = ',', value_name = "PHASES", global = true)]
    skip_phases: Vec<String>,
    #[command(subcommand)]
    phase: Option<PhaseCommand>,
}

impl JoinArgs {
    /// `join phase` alone.
    pub(crate) fn wants_phase_list(&self) -> bool {
        matches!(&self.phase, Some(PhaseCommand::Phase { path }) if path.is_empty())
    }

    /// The documents with flags and defaults applied, validated, and what only a join token knows.
    fn resolve(&self, session: &Session) -> Result<(Config, Option<JoinToken>)> {
        self.host.check_place()?;
        let mut config = self.documents(session)?;
        if !self.names_cluster() && config.join.is_none() {
            let cure = "usernetes-rs join TOKEN, with the token that init printed (usernetes-rs token create on the \
                        control-plane host makes another)";
            return Err(UsageError::Target { message: "no cluster given".into(), hint: cure }.into());
        }
        config.join.get_or_insert_with(JoinConfiguration::default);
        let token = self.apply_discovery(&mut config)?;
        self.apply_bundle(&mut config, token.as_ref());
        self.host.apply(&mut config);
        config.set_defaults(&host_facts(config.rootless.host_ip)?);
        config.validate()?;
        Ok((config, token))
    }

    /// A file, or what an earlier run kept: all of it to go on, and with another token as soon as the node has its
    /// certificate, which is for one name. Discovery is then of the flags alone.
    fn documents(&self, session: &Session) -> Result<Config> {
        if let Some(path) = &self.host.config {
            return read_config(path);
        }
        let goes_on = !self.names_cluster() || common::has_joined(session);
        let Some(mut kept) = session.kept_config()?.filter(|_| goes_on) else { return Ok(Config::default()) };
        if self.names_cluster() {
            if let Some(join) = &mut kept.join {
                join.discovery = Discovery::default();
            }
            if let Fate::Moves(new) = address::fate(session, &kept) {
                kept.move_host(new, true);
            }
        }
        Ok(kept)
    }

    fn names_cluster(&self) -> bool {
        self.target.is_some() || self.discovery_file.is_some() || self.host.config.is_some()
    }

    /// Either way of the command line puts that of the documents out.
    fn apply_bundle(&self, config: &mut Config, token: Option<&JoinToken>) {
        let rootless = &mut config.rootless;
        if self.bundle_from_peer {
            (rootless.bundle_from_peer, rootless.bundle) = (true, None);
        }
        if self.host.bundle.is_some() {
            rootless.bundle_from_peer = false;
            config.state.bundle_sha256 = None;
        }
        if let Some(token) = token.filter(|_| rootless.bundle_from_peer) {
            config.state.bundle_sha256 = Some(token.bundle.sha256_hex());
        }
    }
}

/// `join phase` without a name.
pub(crate) fn list_phases() -> ExitCode {
    crate::ui::out(JOIN.help().trim_end());
    ExitCode::SUCCESS
}

pub(crate) fn run(session: Session, args: JoinArgs) -> Result<ExitCode> {
    let (config, token) = args.resolve(&session)?;
    taken::refuse(&session, &config, args.names_cluster())?;
    let skip = config.join.as_ref().map(|join| join.skip_phases.clone()).unwrap_or_default();
    let selection = match &args.phase {
        Some(PhaseCommand::Phase { path }) => JOIN.only(path)?,
        None => JOIN.without(&skip)?,
    };
    let whole = args.phase.is_none();
    let mut data = JoinData::new(session, config, token)?;
    run_workflow(&JOIN, selection, &mut data, whole)
}
