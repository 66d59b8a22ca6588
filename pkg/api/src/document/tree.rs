//! Reads the values of a document, with merge keys, and finds names that stand twice.

use super::{FieldPath, Segment};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::fmt;

/// YAML 1.1's key of a mapping, or a list of mappings, whose fields are taken over.
const MERGE_KEY: &str = "<<";

/// The values of a document.
pub(crate) struct Tree {
    /// The values.
    pub(crate) value: Value,
    /// Names that stand twice in one mapping; the first value counts.
    pub(crate) duplicates: Vec<FieldPath>,
}

/// Reads a document of one value.
pub(crate) fn read_tree(text: &str) -> Result<Tree, serde_yaml::Error> {
    let duplicates = RefCell::default();
    let value =
        TreeSeed { duplicates: &duplicates, path: Vec::new() }.deserialize(serde_yaml::Deserializer::from_str(text))?;
    Ok(Tree { value, duplicates: duplicates.into_inner() })
}

struct TreeSeed<'a> {
    duplicates: &'a RefCell<Vec<FieldPath>>,
    path: Vec<Segment>,
}

impl TreeSeed<'_> {
    fn child(&self, segment: Segment) -> Self {
        let mut path = self.path.clone();
        path.push(segment);
        Self { duplicates: self.duplicates, path }
    }
}

impl<'de> DeserializeSeed<'de> for TreeSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TreeSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.child(Segment::Index(list.len())))? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let (mut mapping, mut merged) = (Mapping::new(), Vec::new());
        while let Some(key) = fields.next_key::<Value>()? {
            let Some(name) = crate::fields::scalar_text(&key) else {
                return Err(A::Error::custom("the name of a field is text"));
            };
            let value = fields.next_value_seed(self.child(Segment::Key(name.clone())))?;
            if name == MERGE_KEY {
                merged.push(value);
            } else if mapping.contains_key(name.as_str()) {
                self.duplicates.borrow_mut().push(FieldPath(self.child(Segment::Second(name)).path));
            } else {
                mapping.insert(name.into(), value);
            }
        }
        for value in merged {
            merge_fields(&mut mapping, value);
        }
        Ok(mapping.into())
    }
}

/// Adds the fields of a mapping, or of a list of mappings, that are not there yet.
fn merge_fields(mapping: &mut Mapping, merged: Value) {
    match merged {
        Value::Mapping(fields) => {
            for (key, value) in fields {
                mapping.entry(key).or_insert(value);
            }
        }
        Value::Sequence(all) => {
            for fields in all {
                merge_fields(mapping, fields);
            }
        }
        _ => {}
    }
}
