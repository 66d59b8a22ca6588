//! `bundle`: the node's software, verified.

use super::NodeData;
use crate::workflow::Phase;
use anyhow::Result;
use usernetes_node::bundle::{Check, stamps_directory};

pub(super) const fn phase<D: AsMut<NodeData>>() -> Phase<D> {
    Phase::new("bundle", "Find the node's software and verify every checksum", run)
}

pub(super) fn run<D: AsMut<NodeData>>(data: &mut D, _: &[&'static str]) -> Result<String> {
    let node = data.as_mut();
    let bundle = node.bundle()?;
    let verified = bundle.verify(&stamps_directory(&bundle, node.session.paths()), Check::Changed, &|_| {})?;
    Ok(format!("{}, {} files verified", bundle.manifest().name, verified.files))
}
