//! Everything that is shown: text on a terminal, JSON lines, tables, errors and log lines.

mod error;
pub(crate) mod log;
mod printer;
mod table;

pub(crate) use error::print_failure;
pub(crate) use printer::{OutputFormat, Printer, print_error, print_line};
pub(crate) use table::render_table;
