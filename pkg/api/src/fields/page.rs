//! The page of the documentation that lists every field.

use super::{OLD_NAMES, Row, Treatment, tables};
use std::fmt::Write as _;

const HEAD: &str = "# Configuration: every field, and what becomes of it

Made from the tables in `pkg/api/src/fields`; `INSTA_UPDATE=always cargo test -p usernetes-api page` writes it anew.

A file holds any of the documents below, separated by `---`. `init` reads InitConfiguration, ClusterConfiguration,
RootlessConfiguration, KubeletConfiguration and KubeProxyConfiguration; `join` reads JoinConfiguration, RootlessConfiguration and
KubeletConfiguration. Each command names the documents that it does not read, so one file serves all hosts. `v1beta3` is
converted as kubeadm does it. All mistakes of a file are reported at once.

- *honoured*: the field has the meaning that it has for kubeadm, the kubelet or kube-proxy.
- *no effect*: the field is accepted; a value that says otherwise is noted.
- *refused*: the field is an error, with this reason.
";

/// The page, in Markdown.
pub fn render_page() -> String {
    let mut page = HEAD.to_owned();
    for ((api_version, kind), shape) in tables() {
        if *kind == "NodeState" || *api_version == "kubeadm.k8s.io/v1beta3" {
            continue;
        }
        let rows = shape.rows();
        let _ = write!(page, "\n## {kind}\n\n`{api_version}`\n\n| field | value | |\n|---|---|---|\n");
        for row in rows.into_iter().filter(|row| !OLD_NAMES.iter().any(|old| row.path.ends_with(old))) {
            let form = row.form.describe().replace('|', "\\|");
            let _ = writeln!(page, "| `{}` | {form} | {} |", row.path, describe_treatment(row));
        }
    }
    page
}

fn describe_treatment(row: &Row) -> String {
    match row.treatment {
        Treatment::Honoured => "honoured".into(),
        Treatment::Default { values: [], note } => format!("no effect: {note}"),
        Treatment::Default { values, note } | Treatment::Unread { values, note } => {
            format!("no effect (silent: {}): {note}", join_values(values))
        }
        Treatment::Dropped { values, note } => format!("honoured; no effect ({}): {note}", join_values(values)),
        Treatment::Refused { values: [], reason } => format!("refused: {reason}"),
        Treatment::Refused { values, reason } => format!("refused, but for {}: {reason}", join_values(values)),
    }
}

fn join_values(values: &[&str]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}
