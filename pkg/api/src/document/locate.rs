//! Finds the line of a field: the document is parsed once more and fails at the field, whose place is then in the error.

use super::{Document, FieldPath, Segment};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

impl Document {
    /// Line of a field, or of the nearest one around it that stands in the document, and how many steps of the path do.
    pub(crate) fn locate(&self, path: &FieldPath) -> (usize, usize) {
        let found = (1..=path.0.len()).rev().find_map(|length| Some((self.find_line(&path.0[..length])?, length)));
        found.unwrap_or((self.line, 0))
    }

    fn find_line(&self, path: &[Segment]) -> Option<usize> {
        let error = Locator { path }.deserialize(serde_yaml::Deserializer::from_str(&self.text)).err()?;
        Some(error.location()?.line())
    }
}

/// Fails at the end of a path.
struct Locator<'a> {
    path: &'a [Segment],
}

impl<'de> DeserializeSeed<'de> for Locator<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locator<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Segment::Index(index), rest)) = self.path.split_first() else {
            return if self.path.is_empty() { Err(A::Error::custom("here")) } else { skip_items(items) };
        };
        for _ in 0..*index {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Locator { path: rest })?;
        skip_items(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.path.split_first() else { return Err(A::Error::custom("here")) };
        let (name, mut skipped) = match first {
            Segment::Key(name) => (Some(name), 0),
            Segment::Second(name) => (Some(name), 1),
            Segment::Index(_) => (None, 0),
        };
        loop {
            let fails = rest.is_empty() && skipped == 0;
            match fields.next_key_seed(NamedKey { name, fails })? {
                None => return Ok(()),
                Some(true) if skipped == 0 => fields.next_value_seed(Locator { path: rest })?,
                Some(is_named) => {
                    skipped -= usize::from(is_named);
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom("here")) } else { Ok(()) }
    }
}

fn skip_items<'de, A: SeqAccess<'de>>(mut items: A) -> Result<(), A::Error> {
    while items.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Tells whether a key has a name; where it `fails`, that is an error at the key.
struct NamedKey<'a> {
    name: Option<&'a String>,
    fails: bool,
}

impl<'de> DeserializeSeed<'de> for NamedKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NamedKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let is_named = self.name.is_some_and(|name| name == key);
        if is_named && self.fails { Err(E::custom("here")) } else { Ok(is_named) }
    }
}
