//! Watches that never end: objects projected to rows, over connections that are made anew whenever one breaks.
//!
//! [`table`] keeps what the watches of one connection have sent, [`reconnect`] replaces the connection. Controllers of this
//! crate are a projection of objects to rows, a function from rows to what has to be done, and a writer.

mod reconnect;
mod table;

pub(crate) use reconnect::{page_config, skip_object_error, ticks, watch_reconnecting};
pub(crate) use table::{Change, Rows, Table, join_tables, watch_changes, watch_node_pods};

use crate::Error;

/// What a watch that never ends reports.
#[derive(Debug)]
pub enum Update<T> {
    /// The present state; reported again only when it differs.
    State(T),
    /// The API server cannot be reached. The last state stays valid while the watch goes on trying.
    Lost(Error),
}
