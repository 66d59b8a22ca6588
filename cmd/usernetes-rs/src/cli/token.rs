//! `token`: bootstrap tokens, with kubeadm's flags and columns, and join tokens.

mod create;

use super::args::TOKEN_ID;
use crate::output::{print_line, render_table};
use crate::session::Session;
use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::ExitCode;
use usernetes_cluster::tokens::TokenInfo;
use usernetes_pki::BootstrapToken;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a bootstrap token and print the join token
    Create(create::CreateArgs),
    /// List bootstrap tokens on the server
    List,
    /// Delete bootstrap tokens on the server
    Delete {
        /// Ids, or full tokens
        #[arg(required = true, value_name = "TOKEN", value_parser = TOKEN_ID)]
        ids: Vec<String>,
        /// Only print what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
    /// Generate and print a bootstrap token, but do not create it on the server
    Generate,
}

pub(crate) fn run(session: &Session, command: TokenCommand) -> Result<ExitCode> {
    if let TokenCommand::Generate = command {
        print_line(BootstrapToken::generate().to_secret().expose());
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = usernetes_daemon::runtime()?;
    let cluster = runtime.block_on(session.administrator())?;
    match command {
        TokenCommand::Create(args) => {
            for info in args.tokens()? {
                if !args.dry_run {
                    runtime.block_on(cluster.create_token(&info))?;
                }
                args.print_token(session, &info.token)?;
            }
        }
        TokenCommand::List => show_tokens(session, &runtime.block_on(cluster.list_tokens())?),
        TokenCommand::Delete { ids, dry_run } => {
            for id in ids {
                if !dry_run {
                    runtime.block_on(cluster.delete_token(&id))?;
                }
                let would = if dry_run { "would be " } else { "" };
                session.printer.result(&format!("bootstrap token {id:?} {would}deleted"));
                session.printer.object(&json!({ "deleted": id, "dryRun": dry_run }));
            }
        }
        TokenCommand::Generate => unreachable!("answered above"),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_tokens(session: &Session, tokens: &[TokenInfo]) {
    if session.printer.json() {
        for t in tokens {
            session.printer.object(&token_json(t));
        }
        return;
    }
    let rows: Vec<_> = tokens.iter().map(token_row).collect();
    print_line(&render_table(&["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"], &rows));
}

fn token_row(t: &TokenInfo) -> Vec<String> {
    let (ttl, expires) = match t.expires {
        None => ("<forever>".into(), "<never>".into()),
        Some(at) => (render_ttl(at.as_second() - Timestamp::now().as_second()), at.to_string()),
    };
    vec![
        t.token.to_secret().expose().to_owned(),
        ttl,
        expires,
        or_none(t.usages.join(",")),
        or_none(t.description.clone()),
        or_none(t.groups.join(",")),
    ]
}

fn or_none(cell: String) -> String {
    if cell.is_empty() { "<none>".to_owned() } else { cell }
}

/// The object of kubeadm's `-o json`.
fn token_json(info: &TokenInfo) -> Value {
    let mut object = json!({
        "kind": "BootstrapToken", "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "token": info.token.to_secret().expose(), "description": info.description, "expires": info.expires,
        "usages": info.usages, "groups": info.groups,
    });
    // kubeadm leaves empty fields out.
    let empty = |value: &Value| value.is_null() || *value == json!("") || *value == json!([]);
    object.as_object_mut().expect("just made").retain(|_, value| !empty(value));
    object
}

/// Kubernetes' `ShortHumanDuration` of a number of seconds.
fn render_ttl(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    match seconds {
        // Clocks differ by about a second.
        i64::MIN..-1 => "<invalid>".into(),
        -1..0 => "0s".into(),
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => format!("{}h", seconds / HOUR),
        DAY..YEAR => format!("{}d", seconds / DAY),
        YEAR.. => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_json_are_kubeadms() -> Result<()> {
        let left = [-2, -1, 0, 59, 60, 3599, 3600, 86_399, 86_400, 364 * 86_400, 365 * 86_400, 800 * 86_400];
        assert_eq!(
            left.map(render_ttl),
            ["<invalid>", "0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "364d", "1y", "2y"]
        );
        let token = usernetes_pki::BootstrapToken::new("abcdef", "0123456789abcdef")?;
        let info = TokenInfo::new(token, Some("2026-11-24T01:02:03Z".parse()?));
        insta::assert_snapshot!(token_json(&info), @r#"{"kind":"BootstrapToken","apiVersion":"output.kubeadm.k8s.io/v1alpha3","token":"abcdef.0123456789abcdef","expires":"2026-11-24T01:02:03Z","usages":["authentication","signing"],"groups":["system:bootstrappers:kubeadm:default-node-token"]}"#);
        insta::assert_snapshot!(token_json(&TokenInfo { expires: None, groups: vec![], ..info }), @r#"{"kind":"BootstrapToken","apiVersion":"output.kubeadm.k8s.io/v1alpha3","token":"abcdef.0123456789abcdef","usages":["authentication","signing"]}"#);
        Ok(())
    }
}
