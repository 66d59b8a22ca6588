//! `join`: a join token, or kubeadm's flags, or a file; then the run of the workflow.

mod already_joined;
mod target;

use super::args::{HostArgs, PhaseCommand, TOKEN};
use crate::errors::UsageError;
use crate::phases::join::{JOIN, JoinData};
use crate::phases::{note_foreign_phases, run_workflow};
use crate::session::{Session, read_config, set_defaults};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;
use usernetes_api::{Config, Discovery, JoinConfiguration, Reader};
use usernetes_daemon::host_ip::{HostIpState, host_ip_state};
use usernetes_pki::{BootstrapToken, JoinToken};

/// Flags of `join`, named as kubeadm's.
#[derive(Debug, Args)]
#[command(after_long_help = help())]
pub(crate) struct JoinArgs {
    /// Join token that init printed, or HOST:PORT with --token; - reads either from standard input
    #[arg(value_name = "TOKEN|HOST:PORT|-")]
    target: Option<String>,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    /// Bootstrap token ID.SECRET for both discovery and the TLS bootstrap
    #[arg(long, help_heading = "Token", value_name = "TOKEN", env = "USERNETES_TOKEN", hide_env_values = true, value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Validate that the root CA public key matches this hash, sha256:HEX
    #[arg(long, help_heading = "Token", value_delimiter = ',', value_name = "PIN", conflicts_with = "discovery_file")]
    discovery_token_ca_cert_hash: Vec<String>,
    /// Allow joining without CA pinning (any server at HOST:PORT is trusted)
    #[arg(long, help_heading = "Token", conflicts_with = "discovery_file")]
    discovery_token_unsafe_skip_ca_verification: bool,
    /// Path or https URL of a kubeconfig from which to load cluster information
    #[arg(long, help_heading = "Token", value_name = "FILE", conflicts_with = "target")]
    discovery_file: Option<String>,
    /// Bootstrap token for the TLS bootstrap only
    #[arg(long, help_heading = "Token", value_name = "TOKEN", value_parser = TOKEN)]
    tls_bootstrap_token: Option<BootstrapToken>,
    /// Fetch the bundle from the control-plane host, over the verified connection to its API server
    #[arg(long, help_heading = "Host", conflicts_with = "bundle")]
    bundle_from_peer: bool,
    /// Phases to skip
    #[arg(long, value_delimiter = ',', value_name = "PHASES", global = true)]
    skip_phases: Vec<String>,
    #[command(subcommand)]
    phase: Option<PhaseCommand<JoinData>>,
}

impl JoinArgs {
    /// `join phase` alone.
    pub(crate) fn wants_phase_list(&self) -> bool {
        self.phase.as_ref().is_some_and(PhaseCommand::is_list)
    }

    /// The documents with flags and defaults applied, validated, and the join token.
    fn resolve(&self, session: &Session) -> Result<(Config, Option<JoinToken>)> {
        self.host.check_nested()?;
        let mut config = self.documents(session)?;
        if !self.names_cluster() && config.join.is_none() {
            let hint = "usernetes-rs join -, with the token that init printed on standard input (usernetes-rs token create on the \
                        control-plane host makes another)";
            return Err(UsageError::Target { message: "no cluster given".into(), hint }.into());
        }
        config.join.get_or_insert_with(JoinConfiguration::default);
        let token = self.apply_discovery(&mut config)?;
        self.apply_bundle(&mut config, token.as_ref());
        self.host.apply(&mut config);
        set_defaults(session, &mut config)?;
        config.validate()?;
        session.print_notes(&config);
        Ok((config, token))
    }

    /// A file, or what an earlier run kept: all of it to continue, and with another token once the node has its certificate,
    /// which is for one name. Discovery then comes from the flags only.
    fn documents(&self, session: &Session) -> Result<Config> {
        if let Some(path) = &self.host.config {
            return Ok(read_config(path)?.read(Reader::Join));
        }
        let continues = !self.names_cluster() || session.paths().has_joined();
        let Some(mut kept) = session.kept_config()?.filter(|_| continues) else { return Ok(Config::default()) };
        if self.names_cluster() {
            if let Some(join) = &mut kept.join {
                join.discovery = Discovery::default();
            }
            if let HostIpState::Moved(new) = host_ip_state(&session.instance, &kept) {
                kept.move_host(new, true);
            }
        }
        Ok(kept)
    }

    fn names_cluster(&self) -> bool {
        self.target.is_some() || self.discovery_file.is_some() || self.host.config.is_some()
    }

    /// A flag about the bundle overrides that of the documents.
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

fn help() -> String {
    format!("{}\nExample:\n  echo TOKEN | usernetes-rs join - --bundle-from-peer\n", JOIN.render_help())
}

pub(crate) fn run(session: Session, args: JoinArgs) -> Result<ExitCode> {
    let (config, token) = args.resolve(&session)?;
    already_joined::refuse_other_cluster(&session, &config, args.names_cluster())?;
    let skip = config.join.as_ref().map(|join| join.skip_phases.clone()).unwrap_or_default();
    let selection = match &args.phase {
        Some(phase) => phase.select()?,
        None => JOIN.select_without(&skip)?,
    };
    note_foreign_phases(&session, &JOIN, &skip);
    let mut data = JoinData::new(session, config, token)?;
    run_workflow(&JOIN, selection, &mut data, args.phase.is_none())
}
