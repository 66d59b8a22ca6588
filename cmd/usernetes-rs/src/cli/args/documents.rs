//! Flags that describe a new cluster: those of `init`, `preflight` and `config print`.

use super::{HostArgs, TOKEN, expose_token, port_parser};
use crate::journal::Journal;
use crate::session::{Session, read_config, set_defaults};
use anyhow::Result;
use std::net::IpAddr;
use usernetes_api::{BootstrapTokenSpec, Config, Duration, Reader};
use usernetes_host::Level;
use usernetes_node::bundle::find_patch_release;
use usernetes_pki::BootstrapToken;

/// The flags from which the documents of `init` are made.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct DocumentArgs {
    #[command(flatten)]
    host: HostArgs,
    /// Range of IP addresses for the pod network [default: 10.244.0.0/16]
    #[arg(long, value_name = "CIDR")]
    pod_network_cidr: Option<String>,
    /// Range of IP addresses for service VIPs [default: 10.96.0.0/12]
    #[arg(long, value_name = "CIDR")]
    service_cidr: Option<String>,
    /// DNS domain of services [default: cluster.local]
    #[arg(long, value_name = "DOMAIN")]
    service_dns_domain: Option<String>,
    /// IP address the API server advertises [default: HOST_IP]
    #[arg(long, value_name = "IP")]
    apiserver_advertise_address: Option<IpAddr>,
    /// Port the API server binds to on this host [default: 6443]
    #[arg(long, value_name = "PORT", value_parser = port_parser())]
    apiserver_bind_port: Option<u16>,
    /// Extra Subject Alternative Names for the API server's serving certificate: DNS names and IP addresses
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    apiserver_cert_extra_sans: Vec<String>,
    /// Stable address HOST[:PORT] of the control plane for all nodes
    #[arg(long, value_name = "ENDPOINT")]
    control_plane_endpoint: Option<String>,
    /// Bootstrap token ID.SECRET [default: a random one]
    #[arg(long, help_heading = "Token", value_name = "TOKEN", value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Token lifetime; 0 never expires [default: 24h]
    #[arg(long, help_heading = "Token", value_name = "DURATION")]
    token_ttl: Option<Duration>,
    /// Taint this node so that only pods of the control plane run on it
    #[arg(long)]
    taint_control_plane: bool,
}

impl DocumentArgs {
    /// The documents of `init` with flags and defaults applied, validated. Without any flag, the documents that an earlier run
    /// kept.
    pub(crate) fn resolve(&self, session: &Session) -> Result<Config> {
        self.resolve_for(session, Some(Reader::Init))
    }

    /// The same of the command that the file is for.
    pub(crate) fn resolve_any(&self, session: &Session) -> Result<Config> {
        self.resolve_for(session, None)
    }

    fn resolve_for(&self, session: &Session, reader: Option<Reader>) -> Result<Config> {
        self.host.check_nested()?;
        let mut config = match &self.host.config {
            Some(path) => {
                let file = read_config(path)?;
                file.read(reader.unwrap_or(file.readers()[0]))
            }
            None if self.changes_nothing() => session.kept_config()?.unwrap_or_default(),
            None => Config::default(),
        };
        self.apply(&mut config);
        self.choose_tokens(session, &mut config)?;
        for spec in config.init.bootstrap_tokens.iter_mut().filter(|spec| spec.token.is_empty()) {
            BootstrapToken::generate().to_secret().expose().clone_into(&mut spec.token);
        }
        set_defaults(session, &mut config)?;
        config.validate()?;
        session.print_notes(&config);
        adopt_patch_release(session, &mut config);
        Ok(config)
    }

    /// Where the cluster is complete, no token is made again: it may have been deleted, or have expired. Before that the same
    /// command again means the same cluster, so the generated token stays.
    fn choose_tokens(&self, session: &Session, config: &mut Config) -> Result<()> {
        let tokens = &mut config.init.bootstrap_tokens;
        // In the home of another user there is no journal of ours.
        let journal = Journal::open(&session.paths().journal());
        if journal.is_err() && session.check_home().level == Level::Error {
            return Ok(());
        }
        if journal?.completed.is_some() {
            if self.token.is_none() && self.token_ttl.is_none() {
                tokens.clear();
            }
        } else if tokens.is_empty() {
            *tokens = session.kept_config()?.map(|kept| kept.init.bootstrap_tokens).unwrap_or_default();
            if tokens.is_empty() {
                tokens.push(BootstrapTokenSpec { ttl: Some(Duration::hours(24)), ..BootstrapTokenSpec::default() });
            }
        }
        Ok(())
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
        let networking = &mut config.cluster.networking;
        override_field(&mut networking.pod_subnet, self.pod_network_cidr.as_ref());
        override_field(&mut networking.service_subnet, self.service_cidr.as_ref());
        override_field(&mut networking.dns_domain, self.service_dns_domain.as_ref());
        override_field(&mut config.cluster.control_plane_endpoint, self.control_plane_endpoint.as_ref());
        config.cluster.api_server.cert_sans.extend(self.apiserver_cert_extra_sans.iter().cloned());
        let endpoint = &mut config.init.local_api_endpoint;
        endpoint.advertise_address = self.apiserver_advertise_address.or(endpoint.advertise_address);
        endpoint.bind_port = self.apiserver_bind_port.or(endpoint.bind_port);
        config.rootless.taint_control_plane |= self.taint_control_plane;
        if self.token.is_some() || self.token_ttl.is_some() {
            config.init.bootstrap_tokens = vec![BootstrapTokenSpec {
                token: expose_token(self.token.as_ref()),
                ttl: self.token_ttl,
                ..BootstrapTokenSpec::default()
            }];
        }
    }
}

/// Another patch release of the bundle's minor version means the bundle's.
fn adopt_patch_release(session: &Session, config: &mut Config) {
    if let Some(release) = find_patch_release(config, session.paths()) {
        let wanted = std::mem::replace(&mut config.cluster.kubernetes_version, release);
        let found = &config.cluster.kubernetes_version;
        session.printer.warn(&format!(
            "kubernetesVersion {wanted}: the bundle has {found} of the same minor version, which is used"
        ));
    }
}

fn override_field(field: &mut String, flag: Option<&String>) {
    if let Some(value) = flag {
        field.clone_from(value);
    }
}
