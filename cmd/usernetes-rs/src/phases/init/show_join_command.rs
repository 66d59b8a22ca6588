//! `show-join-command`, and the closing words of `init`.

use super::InitData;
use crate::phases::common;
use crate::session::Session;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use serde_json::json;
use usernetes_cluster::tokens::TokenInfo;
use usernetes_host::fs::{self, Mode};
use usernetes_pki::Kubeconfig;

/// Makes the one string that another host needs.
pub(super) struct ShowJoinCommand;

impl Phase<InitData> for ShowJoinCommand {
    fn name(&self) -> &'static str {
        "show-join-command"
    }

    fn short(&self) -> &'static str {
        "Make the join command"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        let spec = data.node.config.init.bootstrap_tokens.first();
        let spec = spec.context("the configuration has no bootstrap token; usernetes-rs token create makes one")?;
        let info = TokenInfo::from_spec(spec).context("bootstrapTokens")?;
        let token = common::join_token(&data.node.session, &data.node.config, &info.token)?;
        data.join_command = Some(token.encode()?);
        Ok("one string for every other host".into())
    }
}

/// What to do next.
pub(super) fn closing_words(data: &mut InitData, seconds: f64) -> Result<()> {
    let session = &data.node.session;
    let (printer, flag) = (&session.printer, session.cluster_flag());
    let kubeconfig = session.paths.admin_conf();
    let merged = if data.merge_kubeconfig { Some(merge(data)?) } else { None };
    let join = data.join_command.as_ref().filter(|_| !data.skip_token_print);
    printer.event(
        "result",
        json!({
            "seconds": seconds, "kubeconfig": kubeconfig, "mergedInto": merged,
            "joinCommand": join.map(|token| format!("usernetes-rs join {}", token.expose())),
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
        let life = data
            .node
            .config
            .init
            .bootstrap_tokens
            .first()
            .and_then(|t| t.ttl)
            .map_or("24h0m0s".into(), |t| t.to_string());
        printer.result(&format!("Join another host (valid for {life}):"));
        printer.result(&format!("  usernetes-rs join {}", token.expose()));
    }
    Ok(())
}

/// Another cluster called `kubernetes`, as kubeadm names them all, stays.
pub(crate) fn merged_name(session: &Session) -> String {
    format!("usernetes-{}", session.paths.cluster)
}

/// Adds this cluster to `~/.kube/config`; everything else in it stays.
fn merge(data: &InitData) -> Result<std::path::PathBuf> {
    let path = usernetes_host::env::home()?.join(".kube/config");
    let theirs = fs::read_if_exists(&path)?.unwrap_or_default();
    let ours = Kubeconfig::parse(&fs::read(data.node.session.paths.admin_conf())?)?;
    let ours = ours.renamed(&merged_name(&data.node.session));
    let merged = usernetes_pki::kubeconfig::merge(&theirs, &ours)
        .with_context(|| format!("cannot merge into {}", path.display()))?;
    fs::write(&path, merged, Mode::Secret)?;
    Ok(path)
}
