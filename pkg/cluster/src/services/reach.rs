//! Whether the control plane reaches the kubelet of every host, as a condition of its Node.
//!
//! A Node becomes Ready by reports that its kubelet sends; whether anything can be sent back shows only when somebody
//! asks for logs. A host behind address translation, or with a HOST_IP of another network, is told here.

use super::Update;
use super::follow::Table;
use super::peers::{Node, condition, kubelet, watch};
use super::session::{forever, of_one_object, with_ticks};
use crate::client::{MANAGER, describe};
use crate::{Cluster, Error, Verb};
use futures::future::join_all;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node as FullNode;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The condition's type.
const TYPE: &str = "HostReachable";
/// How long a host may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// What the control plane says of the way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its kubelet's port answers.
    Reached,
    /// It does not, and why.
    Unreachable(String),
}

/// Who has to be asked, and what was written of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    kubelet: SocketAddr,
    written: Option<String>,
}

/// Keeps the condition of every Node. Never ends; drop it to stop.
pub async fn write_reachability(kubeconfig: &Path, mut report: impl FnMut(Update<()>)) -> Infallible {
    forever(kubeconfig, &mut report, |cluster| {
        let writer = cluster.clone();
        let work = move |rows: Result<Vec<Row>, Error>| {
            let cluster = writer.clone();
            async move {
                let rows = rows?;
                let all = join_all(rows.iter().map(|row| check(&cluster, row))).await;
                all.into_iter().try_for_each(of_one_object)
            }
        };
        rounds(cluster).then(work).boxed()
    })
    .await
}

/// All Nodes: whenever one appears or has another address, and now and then.
fn rounds(cluster: &Cluster) -> impl Stream<Item = Result<Vec<Row>, Error>> + use<> {
    let row =
        |node: &Node| Some(Row { name: node.name_any(), kubelet: kubelet(node)?, written: condition(node, TYPE) });
    let (mut nodes, mut asked) = (Table::default(), BTreeMap::new());
    // Firewalls change without an event.
    with_ticks(watch(cluster, row)).filter_map(move |change| {
        let tick = change.is_none();
        let changed = change.transpose().map(|change| change.map(|change| nodes.change(change)));
        let due = changed.map(|_| {
            let now: BTreeMap<String, SocketAddr> =
                nodes.rows.values().map(|row: &Row| (row.name.clone(), row.kubelet)).collect();
            let due = nodes.complete && (tick || now != asked);
            due.then(|| {
                asked = now;
                nodes.rows.values().cloned().collect()
            })
        });
        futures::future::ready(due.transpose())
    })
}

async fn check(cluster: &Cluster, row: &Row) -> Result<(), Error> {
    let reach = ask(row.kubelet).await;
    let message = message(row.kubelet, &reach);
    if row.written.as_ref() == Some(&message) {
        return Ok(());
    }
    let (status, reason) = match reach {
        Reach::Reached => ("True", "KubeletAnswers"),
        Reach::Unreachable(_) => ("False", "KubeletUnreachable"),
    };
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = json!({
        "type": TYPE, "status": status, "reason": reason, "message": message,
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    });
    let patch = Patch::Strategic(json!({ "status": { "conditions": [condition] } }));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match cluster.all::<FullNode>().patch_status(&row.name, &params, &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result.map(drop).map_err(Error::request(Verb::Apply, describe::<FullNode>(None, &row.name))),
    }
}

async fn ask(kubelet: SocketAddr) -> Reach {
    match timeout(ANSWER, TcpStream::connect(kubelet)).await {
        Ok(Ok(_)) => Reach::Reached,
        Ok(Err(error)) => Reach::Unreachable(error.to_string()),
        Err(_) => Reach::Unreachable(format!("no answer within {ANSWER:?}")),
    }
}

/// Begins with the address, so that a condition of an earlier one is known as such.
fn message(kubelet: SocketAddr, reach: &Reach) -> String {
    match reach {
        Reach::Reached => format!("{kubelet} answers"),
        Reach::Unreachable(why) => format!("{kubelet} cannot be reached from the control plane: {why}"),
    }
}

impl Cluster {
    /// What the control plane says of the way to the kubelet of a node; `None` when it says nothing in time.
    pub async fn host_reach(&self, name: &str, kubelet: SocketAddr, limit: Duration) -> Option<Reach> {
        let told = |node: Option<&FullNode>| node.and_then(|node| said(node, kubelet)).is_some();
        let node = timeout(limit, await_condition(self.all::<FullNode>(), name, told)).await.ok()?.ok()??;
        said(&node, kubelet)
    }
}

fn said(node: &FullNode, kubelet: SocketAddr) -> Option<Reach> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == TYPE)?;
    let message = condition.message.clone().filter(|m| m.starts_with(&format!("{kubelet} ")))?;
    Some(if condition.status == "True" { Reach::Reached } else { Reach::Unreachable(message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asked() -> std::io::Result<()> {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = open.local_addr()?;
        assert_eq!(ask(address).await, Reach::Reached);
        drop(open);
        assert!(matches!(ask(address).await, Reach::Unreachable(why) if why.contains("refused")));
        Ok(())
    }

    #[test]
    fn what_was_said_of_another_address_is_not_said_of_this_one() {
        let kubelet: SocketAddr = "198.51.100.12:10250".parse().expect("an address");
        let node = |reach: &Reach, status: &str| -> FullNode {
            let condition = json!({ "type": TYPE, "status": status, "message": message(kubelet, reach) });
            serde_json::from_value(json!({ "status": { "conditions": [condition] } })).expect("a Node")
        };
        assert_eq!(said(&node(&Reach::Reached, "True"), kubelet), Some(Reach::Reached));
        let unreachable = node(&Reach::Unreachable("no".to_owned()), "False");
        insta::assert_debug_snapshot!(said(&unreachable, kubelet), @r#"
        Some(
            Unreachable(
                "198.51.100.12:10250 cannot be reached from the control plane: no",
            ),
        )
        "#);
        assert_eq!(said(&unreachable, "198.51.100.1:10250".parse().expect("an address")), None);
    }
}
