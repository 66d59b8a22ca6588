//! `token`: bootstrap tokens, with kubeadm's flags and columns, and the one-string join token.

use super::certs::columns;
use crate::errors::UsageError;
use crate::phases::{common, runtime};
use crate::session::Session;
use crate::ui::out;
use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use std::process::ExitCode;
use usernetes_api::Duration;
use usernetes_api::constants::{BOOTSTRAPPERS_GROUP, KUBERNETES_DIR};
use usernetes_cluster::Cluster;
use usernetes_cluster::tokens::{TokenInfo, USAGES};
use usernetes_pki::BootstrapToken;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print what a host needs to join
    Create(CreateArgs),
    /// List tokens
    List,
    /// Delete tokens
    Delete {
        /// Ids, or whole tokens
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
    },
    /// Print a random token without making it known to the cluster
    Generate,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The token as ID.SECRET; a random one when not given
    #[arg(value_name = "TOKEN")]
    token: Option<BootstrapToken>,
    /// Life time; 0 for ever
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    ttl: Duration,
    /// What it may be used for
    #[arg(long, value_delimiter = ',', default_values = USAGES, value_name = "USAGES", value_parser = USAGES)]
    usages: Vec<String>,
    /// Groups of its bearers
    #[arg(long, value_delimiter = ',', default_value = BOOTSTRAPPERS_GROUP, value_name = "GROUPS")]
    groups: Vec<String>,
    /// For people
    #[arg(long, default_value = "", value_name = "TEXT")]
    description: String,
    /// Print the whole join command
    #[arg(long)]
    print_join_command: bool,
    /// Print only ID.SECRET, as kubeadm does
    #[arg(long, conflicts_with = "print_join_command")]
    classic: bool,
}

pub(crate) fn run(session: &Session, command: TokenCommand) -> Result<ExitCode> {
    if let TokenCommand::Generate = command {
        out(BootstrapToken::generate().to_secret().expose());
        return Ok(ExitCode::SUCCESS);
    }
    session.config()?;
    let runtime = runtime()?;
    let cluster = runtime.block_on(Cluster::connect(&session.paths.node(KUBERNETES_DIR).join("admin.conf")))?;
    match command {
        TokenCommand::Create(args) => {
            let info = args.info();
            runtime.block_on(cluster.create_token(&info))?;
            show_created(session, &args, &info.token)?;
        }
        TokenCommand::List => show(session, &runtime.block_on(cluster.list_tokens())?),
        TokenCommand::Delete { tokens } => {
            for token in tokens {
                let id = token.split('.').next().unwrap_or_default();
                runtime.block_on(cluster.delete_token(id))?;
                session.printer.result(&format!("bootstrap token {id:?} deleted"));
                session.printer.object(&json!({ "deleted": id }));
            }
        }
        TokenCommand::Generate => unreachable!("answered above"),
    }
    Ok(ExitCode::SUCCESS)
}

impl CreateArgs {
    fn info(&self) -> TokenInfo {
        let token = self.token.clone().unwrap_or_else(BootstrapToken::generate);
        let mut info = TokenInfo::new(token, expiry(self.ttl));
        info.usages.clone_from(&self.usages);
        info.groups.clone_from(&self.groups);
        info.description.clone_from(&self.description);
        info
    }
}

/// The moment at which a token made now ends; `None` for a life time of 0.
pub(crate) fn expiry(ttl: Duration) -> Option<Timestamp> {
    (!ttl.0.is_zero()).then(|| Timestamp::now() + ttl.0)
}

fn show_created(session: &Session, args: &CreateArgs, token: &BootstrapToken) -> Result<()> {
    if args.classic {
        out(token.to_secret().expose());
        return Ok(());
    }
    let join = common::join_token(session, &session.config()?, token)?.encode()?;
    let command = format!("usernetes-rs join {}", join.expose());
    session
        .printer
        .object(&json!({ "token": token.to_secret().expose(), "joinToken": join.expose(), "joinCommand": command }));
    session.printer.result(if args.print_join_command { &command } else { join.expose() });
    Ok(())
}

fn show(session: &Session, tokens: &[TokenInfo]) {
    if session.printer.json() {
        for t in tokens {
            session.printer.object(&json!({
                "token": t.token.to_secret().expose(), "expires": t.expires, "usages": t.usages,
                "description": t.description, "groups": t.groups,
            }));
        }
        return;
    }
    let row = |t: &TokenInfo| {
        let none = |s: &str| if s.is_empty() { "<none>".to_owned() } else { s.to_owned() };
        let (ttl, expires) = match t.expires {
            None => ("<forever>".into(), "<never>".into()),
            Some(at) => (ttl(at), at.to_string()),
        };
        vec![
            t.token.to_secret().expose().to_owned(),
            ttl,
            expires,
            none(&t.usages.join(",")),
            none(&t.description),
            none(&t.groups.join(",")),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    out(&columns(&["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"], &rows));
}

fn ttl(expires: Timestamp) -> String {
    let seconds = expires.as_second() - Timestamp::now().as_second();
    match seconds {
        i64::MIN..=0 => "<expired>".into(),
        1..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

/// Tokens of documents, checked as the flags are.
pub(crate) fn from_config(spec: &usernetes_api::BootstrapTokenSpec) -> Result<TokenInfo> {
    let token = spec.token.parse().map_err(|e| UsageError::Flags(format!("bootstrapTokens: {e}")))?;
    let expires = spec.expires.or_else(|| expiry(spec.ttl.unwrap_or(Duration::hours(24))));
    let mut info = TokenInfo::new(token, expires);
    info.description.clone_from(&spec.description);
    if !spec.usages.is_empty() {
        info.usages.clone_from(&spec.usages);
    }
    if !spec.groups.is_empty() {
        info.groups.clone_from(&spec.groups);
    }
    Ok(info)
}
