//! `certs`: expiry and renewal, with kubeadm's names and columns.

use crate::errors::Hinted;
use crate::phases::common::control_plane;
use crate::session::Session;
use crate::ui::out;
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
    /// Show when certificates expire
    CheckExpiration,
    /// Renew a certificate, or all; works for expired ones too
    Renew {
        /// Its name as check-expiration shows it, or all
        name: String,
    },
}

pub(crate) fn run(session: &Session, command: CertsCommand) -> Result<ExitCode> {
    let config = control_plane(session)?;
    let (folder, pki) = (session.paths.node(KUBERNETES_DIR), session.paths.node(PKI_DIR));
    match command {
        CertsCommand::CheckExpiration => {
            let report = expiry::check(&folder, &pki)?;
            session.printer.object(&report);
            if !session.printer.json() {
                out(&table(
                    &["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"],
                    &report.certificates,
                ));
                out("");
                out(&table(
                    &["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "", "EXTERNALLY MANAGED"],
                    &report.certificate_authorities,
                ));
            }
        }
        CertsCommand::Renew { name } => {
            let policy = Policy::from_config(&config);
            let renewals = if name == "all" {
                renew::all(&folder, &pki, &policy)?
            } else {
                let known = renew::names().find(|known| *known == name);
                let known = known.ok_or_else(|| {
                    let names = renew::names().collect::<Vec<_>>().join(", ");
                    Hinted::new(format!("there is no certificate {name:?}"), format!("all, or one of {names}"))
                })?;
                vec![(known, renew::renew(&folder, &pki, known, &policy)?)]
            };
            for (name, renewal) in &renewals {
                session.printer.result(&format!("{name}: {}", words(*renewal)));
            }
            let names: Vec<_> =
                renewals.iter().map(|(name, renewal)| json!({ "name": name, "result": words(*renewal) })).collect();
            session.printer.object(&names);
            let flag = session.cluster_flag();
            session.printer.note(&format!(
                "components read their certificates at start: usernetes-rs{flag} stop && usernetes-rs{flag} start"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn words(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::Renewed => "renewed",
        Renewal::Missing => "not there, left",
        Renewal::External => "managed elsewhere, left",
    }
}

fn table(head: &[&str], rows: &[Expiration]) -> String {
    let cell = |e: &Expiration| {
        let expires = e
            .expires
            .map_or("<missing>".into(), |t| t.to_zoned(TimeZone::UTC).strftime("%b %d, %Y %H:%M UTC").to_string());
        let residual = e.expires.map_or("<invalid>".into(), residual);
        let managed = if e.externally_managed { "yes" } else { "no" };
        [e.name.to_owned(), expires, residual, e.authority.unwrap_or_default().to_owned(), managed.to_owned()]
    };
    columns(head, &rows.iter().map(|e| cell(e).to_vec()).collect::<Vec<_>>())
}

/// kubeadm's `duration.ShortHumanDuration`: days up to two years, else years.
fn residual(expires: Timestamp) -> String {
    let hours = (expires.as_second() - Timestamp::now().as_second()) / 3600;
    match hours {
        i64::MIN..=0 => "<invalid>".into(),
        1..=23 => format!("{hours}h"),
        24..=17519 => format!("{}d", hours / 24),
        _ => format!("{}y", hours / 8760),
    }
}

/// Left-aligned columns, three spaces apart, as kubectl's printer does.
pub(crate) fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).chain([head[i].len()]).max().unwrap_or(0);
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    let head = line(head.to_vec());
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_align() {
        let rows = vec![vec!["a".into(), "b".into()], vec!["long name".into(), String::new()]];
        insta::assert_snapshot!(super::columns(&["NAME", "X"], &rows), @r"
        NAME        X
        a           b
        long name
        ");
    }
}
