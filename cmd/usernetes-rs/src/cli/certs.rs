//! `certs`: expiry and renewal, with kubeadm's names and columns.

use crate::errors::Hinted;
use crate::output::{print_line, render_table};
use crate::session::Session;
use anyhow::Result;
use clap::Subcommand;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use std::process::ExitCode;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_pki::renew::{self, Renewal};
use usernetes_pki::{Expiration, Policy, expiry};

#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Check certificates expiration
    CheckExpiration,
    /// Renew a certificate, or all; expired ones as well
    Renew {
        /// Name of the certificate as check-expiration shows it, or all
        name: String,
    },
}

pub(crate) fn run(session: &Session, command: CertsCommand) -> Result<ExitCode> {
    let config = session.control_plane_config()?;
    let (directory, pki) = (session.paths().node(KUBERNETES_DIR), session.paths().node(PKI_DIR));
    match command {
        CertsCommand::CheckExpiration => {
            let report = expiry::check(&directory, &pki)?;
            session.printer.object(&report);
            if !session.printer.json() {
                print_line(&render_expirations(
                    &["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"],
                    &report.certificates,
                ));
                print_line("");
                print_line(&render_expirations(
                    &["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "", "EXTERNALLY MANAGED"],
                    &report.certificate_authorities,
                ));
            }
        }
        CertsCommand::Renew { name } => {
            let policy = Policy::from_config(&config);
            let renewals = if name == "all" {
                renew::all(&directory, &pki, &policy)?
            } else {
                let known = renew::names().find(|known| *known == name);
                let known = known.ok_or_else(|| unknown_certificate(&name))?;
                vec![(known, renew::renew(&directory, &pki, known, &policy)?)]
            };
            for (name, renewal) in &renewals {
                session.printer.result(&format!("{name}: {}", describe_renewal(*renewal)));
            }
            let names: Vec<_> = renewals
                .iter()
                .map(|(name, renewal)| json!({ "name": name, "result": describe_renewal(*renewal) }))
                .collect();
            session.printer.object(&names);
            let flag = session.cluster_flag();
            session.printer.note(&format!(
                "components read their certificates at start: usernetes-rs{flag} stop && usernetes-rs{flag} start"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn describe_renewal(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::Renewed => "renewed",
        Renewal::Missing => "missing, skipped",
        Renewal::External => "externally managed, skipped",
    }
}

fn render_expirations(head: &[&str], rows: &[Expiration]) -> String {
    render_table(head, &rows.iter().map(expiration_row).collect::<Vec<_>>())
}

fn expiration_row(e: &Expiration) -> Vec<String> {
    let expires =
        e.expires.map_or("<missing>".into(), |t| t.to_zoned(TimeZone::UTC).strftime("%b %d, %Y %H:%M UTC").to_string());
    let is_early = e.valid_from.is_some_and(|from| Timestamp::now() < from);
    let residual = match e.expires {
        Some(_) if is_early => "<not yet valid>".into(),
        expires => expires.map_or("<invalid>".into(), render_residual),
    };
    let managed = if e.externally_managed { "yes" } else { "no" };
    vec![e.name.to_owned(), expires, residual, e.authority.unwrap_or_default().to_owned(), managed.to_owned()]
}

fn unknown_certificate(name: &str) -> Hinted {
    let names = renew::names().collect::<Vec<_>>().join(", ");
    Hinted::new(format!("there is no certificate {name:?}"), format!("all, or one of {names}"))
}

/// kubeadm's `duration.ShortHumanDuration`: days up to two years, else years.
fn render_residual(expires: Timestamp) -> String {
    let hours = (expires.as_second() - Timestamp::now().as_second()) / 3600;
    match hours {
        i64::MIN..=0 => "<invalid>".into(),
        1..=23 => format!("{hours}h"),
        24..=17519 => format!("{}d", hours / 24),
        _ => format!("{}y", hours / 8760),
    }
}
