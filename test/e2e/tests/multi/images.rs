//! A node that joins brings its images along: its pods never come before them.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Testbed};

use crate::{join, token};

/// What the kubelet says of an image that it cannot have.
const FAILURES: [&str; 3] = ["Failed", "BackOff", "ErrImageNeverPull"];

/// From an empty image store each time; a race that is lost now and then would show.
pub(crate) fn images_come_before_pods(testbed: &Testbed) -> Result<()> {
    let [first, workers @ ..] = testbed.hosts() else { anyhow::bail!("no hosts") };
    first.init::<&str>(&[]).ok()?;
    for worker in workers {
        for round in 1..=2 {
            join(worker, &[&token(first)?]).ok()?;
            let name = worker.name();
            let label = ["get", &format!("node/{name}"), "-o", "jsonpath={.metadata.labels.usernetes\\.rs/images}"];
            ensure!(first.kubectl(&label)?.text().is_empty(), "{name} still waits for its images");
            no_failures(first, &name, round)?;
            worker.tool(&["reset", "--force"]).ok()?;
        }
    }
    Ok(())
}

fn no_failures(first: &Host, node: &str, round: u32) -> Result<()> {
    let events = first.kubectl(&["get", "events", "-A", "-o", "json"])?.json()?;
    let events = events["items"].as_array().cloned().unwrap_or_default();
    let of_node = |event: &&serde_json::Value| event["source"]["host"] == node;
    let failed = |event: &&serde_json::Value| FAILURES.iter().any(|reason| event["reason"] == *reason);
    ensure!(events.iter().any(|event| of_node(&event)), "no event of {node} at all");
    let failed: Vec<_> =
        events.iter().filter(of_node).filter(failed).map(|event| event["message"].to_string()).collect();
    ensure!(failed.is_empty(), "{node}, round {round}: {failed:#?}");
    Ok(())
}
