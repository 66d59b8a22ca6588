//! Whether the control plane reaches the kubelet of every host, as the condition `HostReachable` of its Node.
//!
//! A Node becomes Ready by reports that its kubelet sends. Whether the API server can connect back shows only with the first
//! `kubectl logs`, so a host behind address translation, or with a HOST_IP of another network, is found here.

use super::addresses::{Node, condition_message, kubelet_address, watch_nodes};
use super::{AddressRules, RegisteredAddresses};
use crate::client::{describe, patch_params};
use crate::watch::{Rows, Table, Update, skip_object_error, ticks, watch_reconnecting};
use crate::{Cluster, Error, Verb};
use futures::future::{join_all, ready};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node as FullNode;
use kube::ResourceExt;
use kube::api::Patch;
use kube::runtime::wait::await_condition;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Type of the condition.
const CONDITION: &str = "HostReachable";
/// Longest time for one connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Whether the control plane can connect to the kubelet of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// The port of the kubelet accepts connections.
    Reached,
    /// It does not, and why.
    Unreachable(String),
}

/// The kubelet of a Node, and the message of the condition that the Node has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KubeletRow {
    name: String,
    kubelet: SocketAddr,
    written: Option<String>,
}

impl KubeletRow {
    fn from_node(node: &Node) -> Option<Self> {
        let written = condition_message(node, CONDITION);
        Some(Self { name: node.name_any(), kubelet: kubelet_address(node)?, written })
    }
}

/// Keeps the condition of every Node. Never ends; drop it to stop.
///
/// A kubelet writes the address and the port of its Node, and may read the result: no connection is made to an address that
/// `rules` refuse, such as one inside the control plane's node.
pub async fn write_reachability(
    kubeconfig: &Path,
    rules: &AddressRules,
    mut report: impl FnMut(Update<()>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        rounds(&cluster).then(move |kubelets| probe_all(cluster.clone(), kubelets, rules)).boxed()
    })
    .await
}

async fn probe_all(
    cluster: Cluster,
    kubelets: Result<Vec<KubeletRow>, Error>,
    rules: &AddressRules,
) -> Result<(), Error> {
    let kubelets = kubelets?;
    let registered = cluster.registered_addresses().await?;
    let results = join_all(kubelets.iter().map(|row| probe_and_write(&cluster, row, rules, &registered))).await;
    results.into_iter().try_for_each(skip_object_error)
}

/// All kubelets, whenever one appears or has another address, and at each tick: firewalls change without an event.
fn rounds(cluster: &Cluster) -> impl Stream<Item = Result<Vec<KubeletRow>, Error>> + use<> {
    let changes = watch_nodes(cluster, KubeletRow::from_node).map(|change| change.map(Some));
    let mut nodes = Table::default();
    let mut probed = BTreeMap::new();
    stream::select(changes, ticks().map(|()| Ok(None))).filter_map(move |change| {
        let round = change.map(|change| {
            let tick = change.is_none();
            if let Some(change) = change {
                nodes.apply_change(change);
            }
            let kubelets = kubelets_by_name(&nodes.rows);
            let due = nodes.complete && (tick || kubelets != probed);
            due.then(|| {
                probed = kubelets;
                nodes.rows.values().cloned().collect()
            })
        });
        ready(round.transpose())
    })
}

fn kubelets_by_name(rows: &Rows<KubeletRow>) -> BTreeMap<String, SocketAddr> {
    rows.values().map(|row| (row.name.clone(), row.kubelet)).collect()
}

async fn probe_and_write(
    cluster: &Cluster,
    row: &KubeletRow,
    rules: &AddressRules,
    registered: &RegisteredAddresses,
) -> Result<(), Error> {
    let reachability = match rules.check(&row.name, row.kubelet.ip(), registered) {
        Ok(()) => connect_to(row.kubelet).await,
        Err(refusal) => Reachability::Unreachable(refusal.to_string()),
    };
    let message = condition_text(row.kubelet, &reachability);
    if row.written.as_ref() == Some(&message) {
        return Ok(());
    }
    let (status, reason) = match &reachability {
        Reachability::Reached => ("True", "KubeletAnswers"),
        Reachability::Unreachable(_) => ("False", "KubeletUnreachable"),
    };
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = json!({
        "type": CONDITION, "status": status, "reason": reason, "message": message,
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    });
    let patch = Patch::Strategic(json!({ "status": { "conditions": [condition] } }));
    match cluster.all::<FullNode>().patch_status(&row.name, &patch_params(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        result => {
            result.map_err(Error::request(Verb::Apply, describe::<FullNode>(None, &row.name)))?;
            match reachability {
                Reachability::Reached => tracing::info!(node = row.name, kubelet = %row.kubelet, "host reachable"),
                Reachability::Unreachable(error) => {
                    tracing::warn!(node = row.name, kubelet = %row.kubelet, error, "host not reachable");
                }
            }
        }
    }
    Ok(())
}

async fn connect_to(kubelet: SocketAddr) -> Reachability {
    match timeout(CONNECT_LIMIT, TcpStream::connect(kubelet)).await {
        Ok(Ok(_)) => Reachability::Reached,
        Ok(Err(error)) => Reachability::Unreachable(error.to_string()),
        Err(_) => Reachability::Unreachable(format!("no answer within {CONNECT_LIMIT:?}")),
    }
}

/// Message of the condition. It begins with the address, which tells a condition of an earlier address apart.
fn condition_text(kubelet: SocketAddr, reachability: &Reachability) -> String {
    match reachability {
        Reachability::Reached => format!("{kubelet} answers"),
        Reachability::Unreachable(why) => format!("{kubelet} cannot be reached from the control plane: {why}"),
    }
}

impl Cluster {
    /// Waits for the condition of a Node about this address of its kubelet; `None` when there is none within `limit`.
    pub async fn wait_reachability(&self, name: &str, kubelet: SocketAddr, limit: Duration) -> Option<Reachability> {
        let written = await_condition(self.all::<FullNode>(), name, |node: Option<&FullNode>| {
            node.is_some_and(|node| read_condition(node, kubelet).is_some())
        });
        let node = timeout(limit, written).await.ok()?.ok()??;
        read_condition(&node, kubelet)
    }
}

fn read_condition(node: &FullNode, kubelet: SocketAddr) -> Option<Reachability> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == CONDITION)?;
    let message = condition.message.clone().filter(|m| m.starts_with(&format!("{kubelet} ")))?;
    Some(if condition.status == "True" { Reachability::Reached } else { Reachability::Unreachable(message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn open_and_closed_ports() -> std::io::Result<()> {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = open.local_addr()?;
        assert_eq!(connect_to(address).await, Reachability::Reached);
        drop(open);
        assert!(matches!(connect_to(address).await, Reachability::Unreachable(why) if why.contains("refused")));
        Ok(())
    }

    fn node(kubelet: SocketAddr, reachability: &Reachability, status: &str) -> FullNode {
        let message = condition_text(kubelet, reachability);
        let condition = json!({ "type": CONDITION, "status": status, "message": message });
        serde_json::from_value(json!({ "status": { "conditions": [condition] } })).expect("a Node")
    }

    #[test]
    fn a_condition_of_another_address_does_not_count() {
        let kubelet: SocketAddr = "198.51.100.12:10250".parse().expect("an address");
        assert_eq!(
            read_condition(&node(kubelet, &Reachability::Reached, "True"), kubelet),
            Some(Reachability::Reached)
        );
        let unreachable = node(kubelet, &Reachability::Unreachable("no".to_owned()), "False");
        insta::assert_debug_snapshot!(read_condition(&unreachable, kubelet), @r#"
        Some(
            Unreachable(
                "198.51.100.12:10250 cannot be reached from the control plane: no",
            ),
        )
        "#);
        assert_eq!(read_condition(&unreachable, "198.51.100.1:10250".parse().expect("an address")), None);
    }
}
