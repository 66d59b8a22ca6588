//! The host's part of a workflow's data.

use crate::session::Session;
use anyhow::Result;
use jiff::Timestamp;
use std::rc::Rc;
use usernetes_api::Config;
use usernetes_node::bundle::{self, Bundle};

/// What phases of `init` and `join` work with on this host.
pub(crate) struct NodeData {
    pub(crate) session: Session,
    /// Resolved and validated.
    pub(crate) config: Config,
    /// [`usernetes_daemon::Started::since`] of the node, [`Timestamp::UNIX_EPOCH`] before it was started.
    pub(crate) started: Timestamp,
    bundle: Option<Rc<Bundle>>,
}

impl NodeData {
    pub(crate) fn new(session: Session, config: Config) -> Self {
        Self { session, config, bundle: None, started: Timestamp::UNIX_EPOCH }
    }

    /// The bundle in use, found at first need.
    pub(crate) fn bundle(&mut self) -> Result<Rc<Bundle>> {
        if self.bundle.is_none() {
            let found = bundle::find_bundle(&self.config, self.session.paths())?;
            self.bundle = Some(Rc::new(found));
        }
        Ok(Rc::clone(self.bundle.as_ref().expect("just found")))
    }
}
