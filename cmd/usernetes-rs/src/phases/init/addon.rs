//! `addon`: the rows of the library's table as Kubernetes objects, all applied at once.

use super::InitData;
use crate::workflow::{Part, Phase};
use anyhow::{Context as _, Result};
use std::path::Path;
use usernetes_cluster::addons::{ADDONS, Params};
use usernetes_pki::Endpoint;

pub(super) const PHASE: Phase<InitData> =
    Phase::new("addon", "Install required addons for passing conformance tests", run).with_parts(parts);

fn parts() -> Vec<Part> {
    ADDONS.iter().map(|addon| Part { name: addon.name, short: addon.short }).collect()
}

fn run(data: &mut InitData, selected: &[&'static str]) -> Result<String> {
    let bundle = data.node.bundle()?;
    let config = data.node.config.clone();
    let (host, port) = config.control_plane_endpoint();
    let params = Params {
        config: &config,
        endpoint: &Endpoint { host, port },
        image: &|name| Some(bundle.manifest().image(name)?.reference.clone()),
        masquerade_all: !has_bridge_netfilter(),
    };
    let mut objects = Vec::new();
    let mut applied = Vec::new();
    for addon in ADDONS.iter().filter(|addon| selected.contains(&addon.name) && addon.is_enabled(&config)) {
        let rendered = addon.render(&params).with_context(|| format!("bundle {}", bundle.dir().display()));
        objects.extend(rendered?);
        applied.push(addon.name);
    }
    let cluster = data.cluster()?;
    data.block_on(cluster.apply(&objects))?;
    Ok(applied.join(", "))
}

/// Whether bridged packets pass netfilter: br_netfilter, once loaded by an administrator, is there in every network
/// namespace.
fn has_bridge_netfilter() -> bool {
    Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
}
