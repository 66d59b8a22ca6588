//! `token create`: by flags, or by the `bootstrapTokens` of an InitConfiguration.

use crate::cli::secret::{TOKEN, text};
use crate::phases::common;
use crate::session::{Session, read_config};
use crate::ui::out;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::PathBuf;
use usernetes_api::{BootstrapTokenSpec, Duration};
use usernetes_cluster::tokens::{TokenInfo, USAGES};
use usernetes_pki::BootstrapToken;

/// Flags, named as kubeadm's.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The token as ID.SECRET; a random one when not given
    #[arg(value_name = "TOKEN", value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Life time; 0 for ever
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    ttl: Duration,
    /// What it may be used for
    #[arg(long, value_delimiter = ',', default_values = USAGES, value_name = "USAGES", value_parser = USAGES)]
    usages: Vec<String>,
    /// Groups of its bearers [default: system:bootstrappers:kubeadm:default-node-token]
    #[arg(long, value_delimiter = ',', value_name = "GROUPS")]
    groups: Vec<String>,
    /// For people
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
    /// InitConfiguration whose bootstrapTokens are made, instead of flags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "ttl", "usages", "groups", "description"])]
    config: Option<PathBuf>,
    /// Print what would be made, and make nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the whole join command
    #[arg(long)]
    print_join_command: bool,
    /// Print only ID.SECRET, as kubeadm does
    #[arg(long, conflicts_with = "print_join_command")]
    classic: bool,
}

impl CreateArgs {
    /// What is to be made, checked as documents are.
    pub(super) fn tokens(&self) -> Result<Vec<TokenInfo>> {
        let specs = match &self.config {
            Some(path) => read_config(path)?.init.bootstrap_tokens,
            None => vec![self.spec()],
        };
        // As kubeadm: a document without any means one with all defaults.
        let specs = if specs.is_empty() { vec![BootstrapTokenSpec::default()] } else { specs };
        let info = |(n, mut spec): (usize, BootstrapTokenSpec)| {
            spec.validate(&if self.config.is_some() { format!("bootstrapTokens[{n}].") } else { "--".into() })?;
            if spec.token.is_empty() {
                BootstrapToken::generate().to_secret().expose().clone_into(&mut spec.token);
            }
            TokenInfo::from_spec(&spec).context("bootstrapTokens")
        };
        specs.into_iter().enumerate().map(info).collect()
    }

    fn spec(&self) -> BootstrapTokenSpec {
        BootstrapTokenSpec {
            token: text(self.token.as_ref()),
            description: self.description.clone(),
            ttl: Some(self.ttl),
            expires: None,
            usages: self.usages.clone(),
            groups: self.groups.clone(),
        }
    }

    pub(super) fn show(&self, session: &Session, token: &BootstrapToken) -> Result<()> {
        if self.classic {
            out(token.to_secret().expose());
            return Ok(());
        }
        let join = common::join_token(session, &session.config()?, token)?.encode()?;
        let command = format!("usernetes-rs join {}", join.expose());
        session.printer.object(
            &json!({ "token": token.to_secret().expose(), "joinToken": join.expose(), "joinCommand": command }),
        );
        session.printer.result(if self.print_join_command { &command } else { join.expose() });
        Ok(())
    }
}
