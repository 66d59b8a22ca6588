//! Checks a document against the table of its kind, and drops what has no effect here.

use super::form::{describe_value, scalar_text};
use super::{MOVED, OLD_NAMES, Row, Shape, Treatment};
use crate::document::{FieldPath, Segment};
use crate::names::nearest_name;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;

/// What a check has found.
#[derive(Default)]
pub(crate) struct Checked {
    /// The document without nulls and without fields that are wrong or have no effect.
    pub(crate) fields: Mapping,
    /// What is wrong, each with its place.
    pub(crate) mistakes: Vec<(FieldPath, String)>,
    /// What has no effect, each with its place.
    pub(crate) notes: Vec<(FieldPath, String)>,
}

/// Checks all fields of a document.
pub(crate) fn check_fields(table: &Shape, document: Value) -> Checked {
    let mut check = Check { found: Checked::default(), path: FieldPath::default() };
    if let Some(Treatment::Default { note, .. }) = find_common_treatment(table) {
        check.add_note(note);
    } else if let Some(Value::Mapping(fields)) = check.read(table, document) {
        check.found.fields = fields;
    }
    check.found
}

/// Most names that a message lists.
const MOST_NAMES: usize = 20;

struct Check {
    found: Checked,
    path: FieldPath,
}

impl Check {
    fn add_mistake(&mut self, message: impl Into<String>) {
        self.found.mistakes.push((self.path.clone(), message.into()));
    }

    /// The value that is to be used, if any.
    fn read(&mut self, shape: &Shape, value: Value) -> Option<Value> {
        match (shape, value) {
            (_, Value::Null) => None,
            (Shape::Plain(row), value) => self.read_plain(row, value),
            (Shape::Fields(fields), Value::Mapping(given)) => Some(self.read_fields(fields, given)),
            (Shape::Map(item), Value::Mapping(given)) => Some(self.read_map(item, given)),
            (Shape::List(item), Value::Sequence(given)) => Some(self.read_list(item, given)),
            (shape, value) => {
                self.add_mistake(format!("{} is not {}", describe_value(&value), describe_shape(shape)));
                None
            }
        }
    }

    fn read_fields(&mut self, fields: &BTreeMap<&'static str, Shape>, given: Mapping) -> Value {
        let mut read = Mapping::new();
        for (key, value) in given {
            let name = scalar_text(&key).unwrap_or_default();
            self.path.0.push(Segment::Key(name.clone()));
            match fields.get(name.as_str()) {
                None => self.add_mistake(describe_unknown(&name, &self.path, fields)),
                Some(_) if value.is_null() => {}
                Some(shape) => {
                    if let Some(Treatment::Refused { reason, .. }) = find_common_treatment(shape) {
                        self.add_mistake(refuse(reason));
                    } else {
                        // Go leaves an empty text at its default.
                        let value = self.read(shape, value).filter(|value| value.as_str() != Some(""));
                        // Of a list without effect not even the empty list is left.
                        let value = value.filter(|_| find_common_default(shape).is_none());
                        read.extend(value.map(|value| (key, value)));
                    }
                }
            }
            self.path.0.pop();
        }
        read.into()
    }

    fn read_map(&mut self, item: &Shape, given: Mapping) -> Value {
        let mut read = Mapping::new();
        for (key, value) in given {
            self.path.0.push(Segment::Key(scalar_text(&key).unwrap_or_default()));
            read.extend(self.read(item, value).map(|value| (key, value)));
            self.path.0.pop();
        }
        read.into()
    }

    fn read_list(&mut self, item: &Shape, given: Vec<Value>) -> Value {
        let mut read = Vec::new();
        for (n, value) in given.into_iter().enumerate() {
            self.path.0.push(Segment::Index(n));
            read.extend(self.read(item, value));
            self.path.0.pop();
        }
        read.into()
    }

    fn read_plain(&mut self, row: &Row, value: Value) -> Option<Value> {
        let value = if value.as_str() == Some("") { value } else { self.normalize(row, value)? };
        let text = scalar_text(&value).unwrap_or_default();
        let is_unset = text.is_empty();
        match row.treatment {
            Treatment::Default { values, .. } | Treatment::Refused { values, .. }
                if is_unset || values.contains(&text.as_str()) => {}
            Treatment::Default { note, .. } => self.add_note(note),
            Treatment::Refused { reason, .. } => self.add_mistake(refuse(reason)),
            Treatment::Dropped { values, note } if values.contains(&text.as_str()) => self.add_note(note),
            Treatment::Unread { values, note } if !is_unset && !values.contains(&text.as_str()) => {
                self.add_note(note);
                return Some(value);
            }
            Treatment::Honoured | Treatment::Dropped { .. } | Treatment::Unread { .. } => return Some(value),
        }
        None
    }

    fn add_note(&mut self, note: &str) {
        self.found.notes.push((self.path.clone(), note.to_owned()));
    }

    fn normalize(&mut self, row: &Row, value: Value) -> Option<Value> {
        let is_secret = ["token", "tlsBootstrapToken", "certificateKey"].iter().any(|name| row.path.ends_with(name));
        match row.form.normalize(value) {
            Ok(value) => return Some(value),
            Err(_) if is_secret => self.add_mistake("is not text; put it in quotes"),
            Err(message) => self.add_mistake(message),
        }
        None
    }
}

fn refuse(reason: &str) -> String {
    format!("kubeadm has this field, but it cannot be used here: {reason}")
}

/// What becomes of all fields of a field alike, whatever their values; `None` where it depends on them.
fn find_common_treatment(shape: &Shape) -> Option<&'static Treatment> {
    if matches!(shape, Shape::Plain(_)) {
        return None;
    }
    let rows = shape.rows();
    let first = rows.first()?.treatment;
    let is_constant = matches!(first, Treatment::Refused { values: [], .. } | Treatment::Default { values: [], .. });
    (is_constant && rows.iter().all(|row| row.treatment == first)).then_some(first)
}

/// The note of a field whose values have no effect, all of them.
fn find_common_default(shape: &Shape) -> Option<&'static str> {
    match find_common_treatment(shape) {
        Some(Treatment::Default { note, .. }) => Some(*note),
        _ => None,
    }
}

fn describe_shape(shape: &Shape) -> String {
    match shape {
        Shape::Plain(row) => row.form.describe(),
        Shape::Fields(fields) => format!("a mapping of the fields {}", join_names(fields)),
        Shape::Map(_) => "a mapping, each line `key: value`".into(),
        Shape::List(item) => match &**item {
            Shape::Fields(fields) if fields.contains_key("name") && fields.contains_key("value") => {
                "a list, each item `- {name: NAME, value: VALUE}`".into()
            }
            Shape::Fields(fields) => format!("a list, each item a mapping of {}", join_names(fields)),
            _ => "a list, each item on a line `- VALUE`".into(),
        },
    }
}

fn join_names(fields: &BTreeMap<&'static str, Shape>) -> String {
    let names: Vec<&str> = fields.keys().copied().filter(|name| !OLD_NAMES.contains(name)).collect();
    names.join(", ")
}

/// Why a field is not known, and what was probably meant.
fn describe_unknown(name: &str, path: &FieldPath, fields: &BTreeMap<&'static str, Shape>) -> String {
    let full = path.to_string();
    if let Some((_, successor)) = MOVED.iter().find(|(old, _)| *old == full) {
        return format!("unknown field; {successor}");
    }
    let known: Vec<&str> = fields.keys().copied().filter(|name| !OLD_NAMES.contains(name)).collect();
    match nearest_name(name, &known) {
        Some(near) => format!("unknown field; did you mean {near}?"),
        None if known.len() > MOST_NAMES => "unknown field".into(),
        None => format!("unknown field; known are {}", known.join(", ")),
    }
}
