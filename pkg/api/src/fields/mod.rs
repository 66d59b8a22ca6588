//! The fields of every document: which there are, the form of their values, and what becomes of them here.
//!
//! Names and forms of upstream's fields are generated from its Go types by `hack/config-fields`. What becomes of them stands in
//! [`treatments`]. Checks, messages and the page `docs/configuration.md` are made from both.

mod check;
mod form;
mod page;
mod table;
mod treatments;

pub(crate) use check::check_fields;
pub(crate) use form::{Form, scalar_text};
pub use page::render_page;
pub(crate) use table::{Row, Shape, find_table, tables};
pub(crate) use treatments::{MOVED, OLD_NAMES, Treatment};

#[cfg(test)]
mod tests;
