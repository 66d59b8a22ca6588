//! `bundle`: the node's software, taken from the control plane's host where that is wanted.

use super::JoinData;
use crate::errors::Hinted;
use crate::phases::common::VerifyBundle;
use crate::workflow::Phase;
use anyhow::{Context as _, Result};
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::Cluster;
use usernetes_host::fs::{self, Mode};
use usernetes_node::bundle::peer::{self, Credentials, Peer};
use usernetes_node::bundle::{self, Imported, Progress};
use usernetes_pki::{Kubeconfig, Secret};

/// `bundle` of a worker.
pub(super) struct JoinBundle;

impl Phase<JoinData> for JoinBundle {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn short(&self) -> &'static str {
        "Find or fetch the node's software and check every checksum"
    }

    fn run(&self, data: &mut JoinData, parts: &[&'static str]) -> Result<String> {
        let rootless = &data.node.config.rootless;
        let known = data.node.config.state.bundle_sha256.clone();
        let is_here = known.is_some() && bundle::find(&data.node.config, &data.node.session.paths.bundles()).is_ok();
        if is_here || !rootless.bundle_from_peer {
            return VerifyBundle.run(data, parts);
        }
        let imported = fetch(data, known.as_deref())?;
        // From here on, and after a restart, this one and no other.
        data.node.config.state.bundle_sha256 = Some(imported.bundle.digest().to_owned());
        fs::write(data.node.session.paths.config(), data.node.config.to_kept_yaml(), Mode::Secret)?;
        let name = &imported.bundle.manifest().name;
        let (files, bytes) = (imported.verified.files, imported.verified.bytes >> 20);
        let by = if known.is_some() { "join token" } else { "verified connection" };
        Ok(format!("{name}, {files} files, {bytes} MiB from the control plane, named by the {by}"))
    }
}

fn fetch(data: &JoinData, identity: Option<&str>) -> Result<Imported> {
    let session = &data.node.session;
    let path = session.paths.node(KUBERNETES_DIR).join("bootstrap-kubelet.conf");
    let Some(text) = fs::read_if_exists(&path)? else {
        let message = "the bundle is not on this host, and its bootstrap token is used up";
        return Err(
            Hinted::new(message, "usernetes-rs bundle import PATH, or usernetes-rs reset and join again").into()
        );
    };
    let url = data.block_on(async { Cluster::connect(&path).await?.bundle_url().await })?.ok_or_else(|| {
        Hinted::new(
            "this cluster offers no bundle: its control plane is not one of usernetes-rs, or of an older version",
            "usernetes-rs bundle import PATH, or usernetes-rs bundle download; then join without --bundle-from-peer",
        )
    })?;
    if identity.is_none() {
        let session = &data.node.session;
        session.printer.note("  no join token says which bundle: the one served over the verified connection is taken");
    }
    let bar = session.printer.bytes("bundle", 0);
    let show = |p: Progress| {
        bar.set_length(p.total);
        bar.set_position(p.done);
    };
    let taken = data.block_on(peer::take(&peer_of(&text, url)?, identity, &session.paths.bundles(), &show));
    bar.finish_and_clear();
    Ok(taken?)
}

/// Whom to ask, and as whom: what the bootstrap kubeconfig says.
fn peer_of(kubeconfig: &str, url: String) -> Result<Peer> {
    let config = Kubeconfig::parse(kubeconfig)?;
    let ca_pem = config.cluster()?.ca_pem()?.context("the bootstrap kubeconfig has no CA inside")?;
    let user = config.user()?;
    let credentials = match (&user.token, user.certificate_pem()?, user.key_pem()?) {
        (Some(token), ..) => Credentials::Token(token.clone()),
        (None, Some(certificate), Some(key)) => {
            Credentials::Certificate(Secret::new(format!("{certificate}\n{}", key.expose())))
        }
        _ => {
            let message = "the bootstrap kubeconfig has neither a token nor a certificate inside";
            return Err(Hinted::new(message, "add --tls-bootstrap-token ID.SECRET").into());
        }
    };
    Ok(Peer { url, ca_pem, credentials })
}
