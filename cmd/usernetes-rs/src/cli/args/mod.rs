//! Flags that several commands share.

mod documents;
mod global;
mod host;
mod phase;
mod secret;

pub(crate) use documents::DocumentArgs;
pub(crate) use global::Global;
pub(crate) use host::{HostArgs, port_parser};
pub(crate) use phase::PhaseCommand;
pub(crate) use secret::{TOKEN, TOKEN_ID, expose_token};
