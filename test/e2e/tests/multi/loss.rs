//! A LAN that loses packets.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

use crate::mtu::SOME;
use crate::one_on_every_node;
use crate::traffic::carry;

/// Of a hundred datagrams between hosts, two.
const LOSS: &str = "table inet loss { chain in { type filter hook input priority 0; \
                    udp dport 8472 numgen random mod 100 < 2 counter drop; }; }";

/// TCP between pods mends it: all arrives, in both directions.
pub(crate) fn two_percent_are_lost(testbed: &Testbed) -> Result<()> {
    let [_, one, other] = testbed.hosts() else { anyhow::bail!("not three hosts") };
    let namespace = Namespace::new(testbed.host(), "loss")?;
    let pods = one_on_every_node(&namespace)?;
    let on = |host: &Host| pods.iter().find(|(_, node)| *node == host.name()).map(|(pod, _)| pod.clone());
    let pair = (on(one).context("no pod")?, on(other).context("no pod")?);
    for host in [one, other] {
        host.admin(&format!("nft '{LOSS}'"))?;
    }
    let carried = both_ways(&namespace, &pair);
    let mut lists = Vec::new();
    for host in [one, other] {
        lists.push(host.admin("nft list table inet loss; nft delete table inet loss")?);
    }
    carried?;
    for list in lists {
        ensure!(list.text().contains("counter") && !list.text().contains("packets 0 "), "nothing was lost: {list}");
    }
    Ok(())
}

fn both_ways(namespace: &Namespace, (one, other): &(String, String)) -> Result<()> {
    let expected = namespace.sh(one, &format!("{SOME} | sha256sum"))?;
    for (from, to) in [(one, other), (other, one)] {
        let received = carry(namespace, from, to, SOME, 180)?;
        ensure!(received == expected, "sent {expected}, received {received}");
    }
    Ok(())
}
