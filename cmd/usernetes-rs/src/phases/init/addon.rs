//! `addon`: the rows of the library's table as Kubernetes objects, all applied at once.

use super::InitData;
use crate::phases::common;
use crate::workflow::{Part, Phase};
use anyhow::{Context as _, Result};
use usernetes_cluster::addons::{ADDONS, Params};
use usernetes_pki::Endpoint;

/// Applies the addons.
pub(super) struct Addon;

const PARTS: [Part; ADDONS.len()] = {
    const EMPTY: Part = Part { name: "", short: "" };
    let mut parts = [EMPTY; ADDONS.len()];
    let mut n = 0;
    while n < ADDONS.len() {
        parts[n] = Part { name: ADDONS[n].name, short: ADDONS[n].short };
        n += 1;
    }
    parts
};

impl Phase<InitData> for Addon {
    fn name(&self) -> &'static str {
        "addon"
    }

    fn short(&self) -> &'static str {
        "Install required addons for passing conformance tests"
    }

    fn parts(&self) -> &'static [Part] {
        &PARTS
    }

    fn run(&self, data: &mut InitData, parts: &[&'static str]) -> Result<String> {
        let bundle = data.node.bundle()?;
        let config = data.node.config.clone();
        let (host, port) = config.control_plane_endpoint();
        let params = Params {
            config: &config,
            endpoint: &Endpoint { host, port },
            image: &|name| Some(bundle.manifest().image(name)?.reference.clone()),
            masquerade_all: !common::bridge_netfilter(),
        };
        let mut objects = Vec::new();
        let mut applied = Vec::new();
        for addon in ADDONS.iter().filter(|addon| parts.contains(&addon.name) && addon.is_enabled(&config)) {
            let rendered = addon.render(&params).with_context(|| format!("bundle {}", bundle.dir().display()));
            objects.extend(rendered?);
            applied.push(addon.name);
        }
        let cluster = data.cluster()?;
        data.block_on(cluster.apply(&objects))?;
        Ok(applied.join(", "))
    }
}
