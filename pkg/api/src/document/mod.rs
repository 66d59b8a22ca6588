//! Documents of a file: where each begins, its type, its values, and the line of each field.

mod locate;
mod path;
mod split;
mod tree;

pub(crate) use path::{FieldPath, Segment};
pub(crate) use split::{Document, split_documents};
pub(crate) use tree::read_tree;
