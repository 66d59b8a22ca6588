//! `token create`: by flags, or by the `bootstrapTokens` of an InitConfiguration.

use crate::cli::args::{TOKEN, expose_token};
use crate::output::print_line;
use crate::phases::{format_join_command, make_join_token};
use crate::session::{Session, read_config};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::PathBuf;
use usernetes_api::{BootstrapTokenSpec, Duration, Reader};
use usernetes_cluster::tokens::{TokenInfo, USAGES};
use usernetes_pki::BootstrapToken;

/// Flags, named as kubeadm's.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The token as ID.SECRET [default: a random one]
    #[arg(value_name = "TOKEN", value_parser = TOKEN)]
    token: Option<BootstrapToken>,
    /// Token lifetime; 0 never expires
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    ttl: Duration,
    /// How the token can be used
    #[arg(long, value_delimiter = ',', default_values = USAGES, value_name = "USAGES", value_parser = USAGES)]
    usages: Vec<String>,
    /// Extra groups that the token authenticates as [default: system:bootstrappers:kubeadm:default-node-token]
    #[arg(long, value_delimiter = ',', value_name = "GROUPS")]
    groups: Vec<String>,
    /// A human friendly description of how the token is used
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
    /// Path to a file with an InitConfiguration whose bootstrapTokens are created, instead of flags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "ttl", "usages", "groups", "description"])]
    config: Option<PathBuf>,
    /// Only print what would be created
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the full join command
    #[arg(long)]
    print_join_command: bool,
    /// Print ID.SECRET only, as kubeadm does
    #[arg(long, conflicts_with = "print_join_command")]
    classic: bool,
}

impl CreateArgs {
    /// The tokens to create, validated as documents are.
    pub(super) fn tokens(&self) -> Result<Vec<TokenInfo>> {
        let specs = match &self.config {
            Some(path) => read_config(path)?.read(Reader::Init).require_form()?.init.bootstrap_tokens,
            None => vec![self.spec()],
        };
        // As kubeadm: a document without bootstrapTokens means one with all defaults.
        let specs = if specs.is_empty() { vec![BootstrapTokenSpec::default()] } else { specs };
        let make = |(n, mut spec): (usize, BootstrapTokenSpec)| {
            spec.validate(&if self.config.is_some() { format!("bootstrapTokens[{n}].") } else { "--".into() })?;
            if spec.token.is_empty() {
                BootstrapToken::generate().to_secret().expose().clone_into(&mut spec.token);
            }
            TokenInfo::from_spec(&spec).context("bootstrapTokens")
        };
        specs.into_iter().enumerate().map(make).collect()
    }

    fn spec(&self) -> BootstrapTokenSpec {
        BootstrapTokenSpec {
            token: expose_token(self.token.as_ref()),
            description: self.description.clone(),
            ttl: Some(self.ttl),
            expires: None,
            usages: self.usages.clone(),
            groups: self.groups.clone(),
        }
    }

    pub(super) fn print_token(&self, session: &Session, token: &BootstrapToken) -> Result<()> {
        if self.classic {
            print_line(token.to_secret().expose());
            return Ok(());
        }
        let join = make_join_token(session, &session.config()?, token)?.encode()?;
        let command = format_join_command(&join);
        session.printer.object(
            &json!({ "token": token.to_secret().expose(), "joinToken": join.expose(), "joinCommand": command }),
        );
        session.printer.result(if self.print_join_command { &command } else { join.expose() });
        Ok(())
    }
}
