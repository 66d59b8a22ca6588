//! Paths of fields in a document.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The field of that name.
    Key(String),
    /// The item of a list.
    Index(usize),
    /// The second field of that name.
    Second(String),
}

/// Path of a field, such as `bootstrapTokens[0].token`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldPath(pub(crate) Vec<Segment>);

impl FieldPath {
    /// Parses the path of a field whose names have no dots.
    pub(crate) fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        for part in text.split('.') {
            let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            segments.push(Segment::Key(name.to_owned()));
            let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok());
            segments.extend(indices.map(Segment::Index));
        }
        Self(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(name) | Segment::Second(name) if n == 0 => f.write_str(name)?,
                Segment::Key(name) | Segment::Second(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
