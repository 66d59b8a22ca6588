//! `init`: flags to documents, and the run of the workflow.

use super::host::{HostArgs, port};
use super::secret::{TOKEN, text};
use crate::errors::Hinted;
use crate::phases::init::{INIT, InitData};
use crate::phases::{common, run_workflow};
use crate::session::{Session, host_facts, read_config};
use anyhow::Result;
use clap::Args;
use std::net::IpAddr;
use std::process::ExitCode;
use usernetes_api::{BootstrapTokenSpec, Config, Duration};
use usernetes_pki::BootstrapToken;

/// Flags of `init`, named as kubeadm's.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false, after_long_help = INIT.help())]
pub(crate) struct InitArgs {
    #[command(flatten)]
    documents: DocumentArgs,
    /// Do not print the join command
    #[arg(long)]
    pub(crate) skip_token_print: bool,
    /// Add the cluster to ~/.kube/config and make it the current one
    #[arg(long)]
    pub(crate) merge_kubeconfig: bool,
    /// Phases to leave out
    #[arg(long, value_delimiter = ',', value_name = "PHASES", global = true)]
    skip_phases: Vec<String>,
    #[command(subcommand)]
    phase: Option<PhaseCommand>,
}

/// What the documents of `init` are made of; `preflight` and `config print` make them, too.
#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    #[command(flatten)]
    host: HostArgs,
    /// Addresses of pods [default: 10.244.0.0/16]
    #[arg(long, value_name = "CIDR")]
    pod_network_cidr: Option<String>,
    /// Addresses of Services [default: 10.96.0.0/12]
    #[arg(long, value_name = "CIDR")]
    service_cidr: Option<String>,
    /// DNS domain of Services [default: cluster.local]
    #[arg(long, value_name = "DOMAIN")]
    service_dns_domain: Option<String>,
    /// Address that the API server advertises; HOST_IP when not given
    #[arg(long, value_name = "IP")]
    apiserver_advertise_address: Option<IpAddr>,
    /// Port of the API server on this host [default: 6443]
    #[arg(long, value_name = "PORT", value_parser = port())]
    apiserver_bind_port: Option<u16>,
    /// More names and addresses in the API server's certificate
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    apiserver_cert_extra_sans: Vec<String>,
    /// HOST[:PORT] under which all nodes reach the API
    #[arg(long, value_name = "ENDPOINT")]
    control_plane_endpoint: Option<String>,
    /// Bootstrap token; a random one when not given
    #[arg(long, value_name = "TOKEN", value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Life time of that token; 0 for ever [default: 24h]
    #[arg(long, value_name = "DURATION")]
    token_ttl: Option<Duration>,
    /// Keep ordinary workloads off this node
    #[arg(long)]
    taint_control_plane: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PhaseCommand {
    /// Run one phase, as `phase certs all` or `phase certs/apiserver`; without a name, list them
    Phase {
        /// Its path
        path: Vec<String>,
    },
}

impl InitArgs {
    /// `init phase` alone.
    pub(crate) fn wants_phase_list(&self) -> bool {
        matches!(&self.phase, Some(PhaseCommand::Phase { path }) if path.is_empty())
    }
}

impl DocumentArgs {
    /// The documents with flags and defaults applied, validated. Without any flag, those that an earlier run kept.
    pub(crate) fn resolve(&self, session: &Session) -> Result<Config> {
        self.host.check_place()?;
        let mut config = match &self.host.config {
            Some(path) => read_config(path)?,
            None if self.changes_nothing() => session.kept_config()?.unwrap_or_default(),
            None => Config::default(),
        };
        self.apply(&mut config);
        if config.init.bootstrap_tokens.is_empty() {
            // The same command once more means the same cluster, so it keeps the token that was drawn.
            config.init.bootstrap_tokens = match session.kept_config()? {
                Some(kept) if !kept.init.bootstrap_tokens.is_empty() => kept.init.bootstrap_tokens,
                _ => vec![BootstrapTokenSpec { ttl: Some(Duration::hours(24)), ..BootstrapTokenSpec::default() }],
            };
        }
        for spec in config.init.bootstrap_tokens.iter_mut().filter(|spec| spec.token.is_empty()) {
            BootstrapToken::generate().to_secret().expose().clone_into(&mut spec.token);
        }
        config.set_defaults(&host_facts(config.rootless.host_ip)?);
        config.validate()?;
        Ok(config)
    }

    fn changes_nothing(&self) -> bool {
        self.host.is_empty()
            && self.pod_network_cidr.is_none()
            && self.service_cidr.is_none()
            && self.service_dns_domain.is_none()
            && self.apiserver_advertise_address.is_none()
            && self.apiserver_bind_port.is_none()
            && self.apiserver_cert_extra_sans.is_empty()
            && self.control_plane_endpoint.is_none()
            && self.token.is_none()
            && self.token_ttl.is_none()
            && !self.taint_control_plane
    }

    fn apply(&self, config: &mut Config) {
        self.host.apply(config);
        let set = |field: &mut String, flag: &Option<String>| {
            if let Some(value) = flag {
                field.clone_from(value);
            }
        };
        let networking = &mut config.cluster.networking;
        set(&mut networking.pod_subnet, &self.pod_network_cidr);
        set(&mut networking.service_subnet, &self.service_cidr);
        set(&mut networking.dns_domain, &self.service_dns_domain);
        set(&mut config.cluster.control_plane_endpoint, &self.control_plane_endpoint);
        config.cluster.api_server.cert_sans.extend(self.apiserver_cert_extra_sans.iter().cloned());
        let endpoint = &mut config.init.local_api_endpoint;
        endpoint.advertise_address = self.apiserver_advertise_address.or(endpoint.advertise_address);
        endpoint.bind_port = self.apiserver_bind_port.or(endpoint.bind_port);
        config.rootless.taint_control_plane |= self.taint_control_plane;
        if self.token.is_some() || self.token_ttl.is_some() {
            config.init.bootstrap_tokens = vec![BootstrapTokenSpec {
                token: text(self.token.as_ref()),
                ttl: self.token_ttl,
                ..BootstrapTokenSpec::default()
            }];
        }
    }
}

/// `init phase` without a name.
pub(crate) fn list_phases() -> ExitCode {
    crate::ui::out(INIT.help().trim_end());
    ExitCode::SUCCESS
}

/// What `join` has begun or finished here is no control plane.
fn refuse_worker(session: &Session) -> Result<()> {
    if session.kept_config()?.is_none_or(|kept| kept.join.is_none()) {
        return Ok(());
    }
    let flag = session.cluster_flag();
    let away = format!("usernetes-rs{flag} reset removes it; --cluster NAME makes another node beside it");
    Err(if common::has_joined(session) {
        Hinted::new("this host is a worker of a cluster already", away)
    } else {
        let cure = format!("usernetes-rs{flag} join goes on with it; {away}");
        Hinted::new("this host has begun to join a cluster", cure)
    }
    .into())
}

pub(crate) fn run(session: Session, args: InitArgs) -> Result<ExitCode> {
    refuse_worker(&session)?;
    let mut config = args.documents.resolve(&session)?;
    config.init.skip_phases.extend(args.skip_phases.iter().cloned());
    let selection = match &args.phase {
        Some(PhaseCommand::Phase { path }) => INIT.only(path)?,
        None => INIT.without(&config.init.skip_phases)?,
    };
    let whole = args.phase.is_none();
    let mut data = InitData::new(session, config, &args)?;
    run_workflow(&INIT, selection, &mut data, whole)
}
