//! `show-join-command`, and the result of `init`.

use super::InitData;
use crate::phases::{format_join_command, make_join_token};
use crate::session::Session;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use usernetes_cluster::tokens::TokenInfo;
use usernetes_host::SharedFile;
use usernetes_host::fs;
use usernetes_pki::Kubeconfig;

/// Longest that another program may hold the lock of `~/.kube/config`.
pub(crate) const KUBECONFIG_LOCK_LIMIT: Duration = Duration::from_secs(10);

pub(super) const PHASE: Phase<InitData> = Phase::new("show-join-command", "Show the join command for other hosts", run);

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let Some(spec) = data.node.config.init.bootstrap_tokens.first() else {
        return Ok("no new token; usernetes-rs token create makes one".into());
    };
    let info = TokenInfo::from_spec(spec).context("bootstrapTokens")?;
    let token = make_join_token(&data.node.session, &data.node.config, &info.token)?;
    data.join_token = Some(token.encode()?);
    Ok("one join token for all other hosts".into())
}

/// Prints what to do next.
pub(super) fn print_result(data: &mut InitData, seconds: f64) -> Result<()> {
    let session = &data.node.session;
    let (printer, flag) = (&session.printer, session.cluster_flag());
    let kubeconfig = session.paths().admin_conf();
    let merged = if data.options.merge_kubeconfig { Some(merge_kubeconfig(session)?) } else { None };
    let join = data.join_token.as_ref().filter(|_| !data.options.skip_token_print);
    printer.event(
        "result",
        json!({
            "seconds": seconds, "kubeconfig": kubeconfig, "mergedInto": merged,
            "joinCommand": join.map(format_join_command),
        }),
    );
    printer.result(&format!("Ready in {seconds:.1} s. Next:"));
    match &merged {
        Some(path) => {
            printer.result(&format!("  kubectl get nodes                  ({} has the cluster now)", path.display()));
        }
        None => printer.result(&format!("  export KUBECONFIG={}", kubeconfig.display())),
    }
    printer.result(&format!("  usernetes-rs{flag} kubectl get nodes"));
    if let Some(token) = join {
        let first = data.node.config.init.bootstrap_tokens.first();
        let ttl = first.and_then(|token| token.ttl).map_or("24h0m0s".into(), |ttl| ttl.to_string());
        printer.result(&format!("Join another host (valid for {ttl}):"));
        printer.result(&format!("  {}", format_join_command(token)));
    }
    Ok(())
}

/// The cluster's name in `~/.kube/config`. Other clusters there are called `kubernetes`, as kubeadm names all.
pub(crate) fn merged_name(session: &Session) -> String {
    format!("usernetes-{}", session.paths().cluster)
}

/// Adds this cluster to `~/.kube/config`; everything else in it stays. Returns its path.
fn merge_kubeconfig(session: &Session) -> Result<PathBuf> {
    let path = usernetes_host::env::home()?.join(".kube/config");
    let file = SharedFile::lock(&path, KUBECONFIG_LOCK_LIMIT)?;
    let theirs = file.read()?.unwrap_or_default();
    let ours = Kubeconfig::parse(&fs::read(session.paths().admin_conf())?)?;
    let ours = ours.renamed(&merged_name(session));
    let merged = usernetes_pki::kubeconfig::merge(&theirs, &ours)
        .with_context(|| format!("cannot merge into {}", path.display()))?;
    file.write(&merged)?;
    Ok(path)
}
