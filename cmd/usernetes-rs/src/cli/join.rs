//! `join`: one string, or kubeadm's classic flags, or a file; then the run of the workflow.

use super::HostArgs;
use super::init::PhaseCommand;
use crate::errors::{Hinted, UsageError};
use crate::phases::join::{JOIN, JoinData};
use crate::phases::{common, run_workflow};
use crate::session::{Session, host_facts, read_config};
use anyhow::{Context as _, Result};
use clap::Args;
use std::io::Read as _;
use std::process::ExitCode;
use usernetes_api::constants::PKI_DIR;
use usernetes_api::{BootstrapTokenDiscovery, Config, FileDiscovery, JoinConfiguration};
use usernetes_host::fs;
use usernetes_pki::{CaCertHash, JoinToken};

/// What is longer is no token.
const LONGEST_TARGET: u64 = 64 * 1024;

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
    #[arg(long, value_name = "TOKEN", env = "USERNETES_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Pin of the cluster's CA, sha256:HEX; may be given several times
    #[arg(long, value_delimiter = ',', value_name = "PIN")]
    discovery_token_ca_cert_hash: Vec<String>,
    /// Go on without a pin: whoever answers at HOST:PORT is believed
    #[arg(long)]
    discovery_token_unsafe_skip_ca_verification: bool,
    /// A kubeconfig, or its https URL, that names and trusts the cluster
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    discovery_file: Option<String>,
    /// Token for the TLS bootstrap alone
    #[arg(long, value_name = "TOKEN")]
    tls_bootstrap_token: Option<String>,
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
        let kept = session.kept_config()?;
        let names_cluster = self.target.is_some() || self.discovery_file.is_some() || self.host.config.is_some();
        let mut config = match (&self.host.config, kept) {
            (Some(path), _) => read_config(path)?,
            (None, Some(kept)) if !names_cluster => kept,
            _ => Config::default(),
        };
        if !names_cluster && config.join.is_none() {
            return Err(UsageError::Flags(
                "which cluster? usernetes-rs join TOKEN, with the token that init printed \
                 (usernetes-rs token create on the control-plane host makes another)"
                    .into(),
            )
            .into());
        }
        config.join.get_or_insert_with(JoinConfiguration::default);
        let token = self.apply_discovery(&mut config)?;
        config.rootless.bundle_from_peer |= self.bundle_from_peer;
        if let Some(token) = token.as_ref().filter(|_| config.rootless.bundle_from_peer) {
            config.rootless.bundle_sha256 = Some(token.bundle.sha256_hex());
        }
        self.host.apply(&mut config);
        config.set_defaults(&host_facts(config.rootless.host_ip)?);
        config.validate()?;
        Ok((config, token))
    }

    /// What to join; a token from standard input is in nobody's list of processes.
    fn target(&self) -> Result<Option<String>> {
        if self.target.as_deref() != Some("-") {
            return Ok(self.target.clone());
        }
        let mut text = String::new();
        std::io::stdin().take(LONGEST_TARGET).read_to_string(&mut text).context("cannot read standard input")?;
        let text = text.trim();
        if text.is_empty() {
            let cure = "usernetes-rs token create | ssh HOST usernetes-rs join -";
            return Err(Hinted::new("no token came on standard input", cure).into());
        }
        Ok(Some(text.to_owned()))
    }

    fn apply_discovery(&self, config: &mut Config) -> Result<Option<JoinToken>> {
        let join = config.join.as_mut().expect("just made");
        join.skip_phases.extend(self.skip_phases.iter().cloned());
        if let Some(token) = &self.tls_bootstrap_token {
            join.discovery.tls_bootstrap_token.clone_from(token);
        }
        if let Some(path) = &self.discovery_file {
            join.discovery.file = Some(FileDiscovery { kube_config_path: path.clone() });
        }
        let Some(target) = self.target()? else { return Ok(None) };
        if target.starts_with("u7s") || (!target.contains(':') && self.token.is_none()) {
            let token: JoinToken = target.parse().map_err(|error: usernetes_pki::JoinTokenError| {
                let hint = error.hint();
                Hinted::new("cannot read the join token", hint).because(error)
            })?;
            let endpoint = token.endpoints.first().map(ToString::to_string).unwrap_or_default();
            join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
                token: token.token.to_secret().expose().to_owned(),
                api_server_endpoint: endpoint,
                ca_cert_hashes: vec![token.ca_cert_hash.to_string()],
                unsafe_skip_ca_verification: false,
            });
            config.rootless.ports.vxlan = token.vxlan_port;
            config.cluster.kubernetes_version.clone_from(&token.bundle.kubernetes_version);
            return Ok(Some(token));
        }
        join.discovery.bootstrap_token = Some(BootstrapTokenDiscovery {
            token: self.token.clone().unwrap_or_default(),
            api_server_endpoint: target.clone(),
            ca_cert_hashes: self.discovery_token_ca_cert_hash.clone(),
            unsafe_skip_ca_verification: self.discovery_token_unsafe_skip_ca_verification,
        });
        Ok(None)
    }
}

/// `join phase` without a name.
pub(crate) fn list_phases() -> ExitCode {
    crate::ui::out(JOIN.help().trim_end());
    ExitCode::SUCCESS
}

/// A host that belongs to a cluster is not taken out of it by joining another.
fn refuse_if_taken(session: &Session, config: &Config) -> Result<()> {
    let flag = session.cluster_flag();
    let cure = format!("usernetes-rs{flag} reset removes it; --cluster NAME makes another node beside it");
    if session.kept_config()?.is_some_and(|kept| kept.join.is_none()) {
        return Err(Hinted::new("this host is the control plane of a cluster already", cure).into());
    }
    let by_token = config.join.as_ref().and_then(|join| join.discovery.bootstrap_token.as_ref());
    let pins = by_token.map(|by_token| by_token.ca_cert_hashes.as_slice()).unwrap_or_default();
    let ca = fs::read_if_exists(session.paths.node(PKI_DIR).join("ca.crt"))?;
    let Some(ca) = ca.filter(|_| common::has_joined(session) && !pins.is_empty()) else { return Ok(()) };
    let own = CaCertHash::of_pem(&ca)?.to_string();
    if pins.contains(&own) {
        return Ok(());
    }
    Err(Hinted::new("this host is a node of another cluster already: the CA of the token is not its CA", cure).into())
}

pub(crate) fn run(session: Session, args: JoinArgs) -> Result<ExitCode> {
    let (config, token) = args.resolve(&session)?;
    refuse_if_taken(&session, &config)?;
    let skip = config.join.as_ref().map(|join| join.skip_phases.clone()).unwrap_or_default();
    let selection = match &args.phase {
        Some(PhaseCommand::Phase { path }) => JOIN.only(path)?,
        None => JOIN.without(&skip)?,
    };
    let whole = args.phase.is_none();
    let mut data = JoinData::new(session, config, token)?;
    run_workflow(&JOIN, selection, &mut data, whole)
}
