//! `bundle` of a worker: the node's software, taken from the control plane's host where that is wanted.

use super::JoinData;
use crate::errors::Hinted;
use crate::phases::bundle::run as verify_bundle;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_cluster::Cluster;
use usernetes_host::fs;
use usernetes_node::bundle::peer::{self, Peer};
use usernetes_node::bundle::{Imported, Progress};

pub(super) const PHASE: Phase<JoinData> =
    Phase::new("bundle", "Find or fetch the node's software and verify every checksum", run);

fn run(data: &mut JoinData, parts: &[&'static str]) -> Result<String> {
    let rootless = &data.node.config.rootless;
    let identity = data.node.config.state.bundle_sha256.clone();
    let from_peer = rootless.bundle_from_peer;
    let is_imported = identity.is_some() && data.node.bundle().is_ok();
    if is_imported || !from_peer {
        return verify_bundle(data, parts);
    }
    let source = if identity.is_some() { "join token" } else { "cluster" };
    let imported = fetch_bundle(data, identity)?;
    // From here on, and after a restart, this bundle and no other.
    data.node.config.state.bundle_sha256 = Some(imported.bundle.digest().to_owned());
    data.node.session.instance.keep_config(&data.node.config)?;
    let name = &imported.bundle.manifest().name;
    let (files, mebibytes) = (imported.verified.files, imported.verified.bytes >> 20);
    Ok(format!("{name}, {files} files, {mebibytes} MiB from the control plane, identified by the {source}"))
}

/// Fetches the bundle with this SHA-256, or with the one that the control plane has written into the cluster's store.
/// What the place of the bundle serves is never its own proof: a Service may have taken the port.
fn fetch_bundle(data: &JoinData, identity: Option<String>) -> Result<Imported> {
    let session = &data.node.session;
    let path = session.kubeconfig("bootstrap-kubelet.conf");
    let Some(text) = fs::read_if_exists(&path)? else {
        let message = "the bundle is not on this host, and its bootstrap token is used up";
        return Err(
            Hinted::new(message, "usernetes-rs bundle import PATH, or usernetes-rs reset and join again").into()
        );
    };
    let offer = data.block_on(async { Cluster::connect(&path).await?.bundle_offer().await })?.ok_or_else(|| {
        Hinted::new(
            "this cluster offers no bundle: usernetes-rs did not make its control plane, or an older version did",
            "usernetes-rs bundle import PATH, or usernetes-rs bundle download; then join without --bundle-from-peer",
        )
    })?;
    let identity = identity.or(offer.sha256).ok_or_else(|| {
        Hinted::new(
            "the cluster does not name the checksum of its bundle, so what is served cannot be trusted",
            "use the join token of usernetes-rs token create on the control-plane host, or start the control plane with \
             this version of usernetes-rs; or usernetes-rs bundle import PATH, then join without --bundle-from-peer",
        )
    })?;
    let bar = session.printer.byte_bar("bundle", 0);
    let on_progress = |p: Progress| {
        bar.set_length(p.total);
        bar.set_position(p.done);
    };
    let peer = Peer::from_kubeconfig(&text, offer.url)?;
    let imported = data.block_on(peer::take(&peer, &identity, &session.paths().bundles(), &on_progress));
    bar.finish_and_clear();
    Ok(imported?)
}
