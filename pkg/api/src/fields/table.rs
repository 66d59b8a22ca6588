//! Tables of fields as trees.

use super::Form;
use super::treatments::{FORMS, Treatment, find_treatment};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// apiVersion, and lines of kind, path and form.
const TABLES: [(&str, &str); 5] = [
    ("kubeadm.k8s.io/v1beta4", include_str!("v1beta4.tsv")),
    ("kubeadm.k8s.io/v1beta3", include_str!("v1beta3.tsv")),
    ("kubelet.config.k8s.io/v1beta1", include_str!("kubelet.tsv")),
    ("kubeproxy.config.k8s.io/v1alpha1", include_str!("kube-proxy.tsv")),
    ("usernetes.rs/v1alpha1", include_str!("rootless.tsv")),
];

/// A field without fields of its own.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Path of the field, with `[]` for items of lists and `*` for keys.
    pub(crate) path: String,
    /// Form of the value.
    pub(crate) form: Form,
    /// What becomes of it.
    pub(crate) treatment: &'static Treatment,
}

/// What a value may look like.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A plain value.
    Plain(Row),
    /// Named fields.
    Fields(BTreeMap<&'static str, Shape>),
    /// A list.
    List(Box<Shape>),
    /// Keys that the user chooses.
    Map(Box<Shape>),
}

impl Shape {
    /// All rows, in the order of their paths.
    pub(crate) fn rows(&self) -> Vec<&Row> {
        match self {
            Self::Plain(row) => vec![row],
            Self::Fields(fields) => fields.values().flat_map(Self::rows).collect(),
            Self::List(item) | Self::Map(item) => item.rows(),
        }
    }

    fn insert(&mut self, segments: &[&'static str], row: Row) {
        let Some((first, rest)) = segments.split_first() else {
            *self = Self::Plain(row);
            return;
        };
        let empty = || Self::Fields(BTreeMap::new());
        match *first {
            "[]" | "*" => {
                if matches!(self, Self::Fields(_)) {
                    let inner = Box::new(empty());
                    *self = if *first == "*" { Self::Map(inner) } else { Self::List(inner) };
                }
                if let Self::List(inner) | Self::Map(inner) = self {
                    inner.insert(rest, row);
                }
            }
            name => {
                if let Self::Fields(fields) = self {
                    fields.entry(name).or_insert_with(empty).insert(rest, row);
                }
            }
        }
    }
}

/// Trees by apiVersion and kind.
type Tables = BTreeMap<(&'static str, &'static str), Shape>;

/// The fields of a kind of document; `None` for a kind without a table.
pub(crate) fn find_table(api_version: &str, kind: &str) -> Option<&'static Shape> {
    let mut tables = tables().iter();
    tables.find(|((version, of), _)| (*version, *of) == (api_version, kind)).map(|(_, shape)| shape)
}

/// All tables.
pub(crate) fn tables() -> &'static Tables {
    static TREES: LazyLock<Tables> = LazyLock::new(build_tables);
    &TREES
}

fn build_tables() -> Tables {
    let mut shapes = Tables::new();
    for (api_version, line) in TABLES.iter().flat_map(|(version, text)| text.lines().map(|line| (*version, line))) {
        let [kind, path, form] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let form = find_form(path).unwrap_or(form);
        let row =
            Row { path: path.into(), form: Form::parse(form), treatment: find_treatment(api_version, kind, path) };
        let shape = shapes.entry((api_version, kind)).or_insert_with(|| Shape::Fields(BTreeMap::new()));
        shape.insert(&split_path(path), row);
    }
    shapes
}

/// The form that replaces that of the Go type.
fn find_form(path: &str) -> Option<&'static str> {
    let matches = |pattern: &str| match pattern.strip_prefix('=') {
        Some(whole) => path == whole,
        None => path.ends_with(pattern),
    };
    FORMS.iter().find(|(pattern, _)| matches(pattern)).map(|(_, form)| *form)
}

/// `a[].b.*` as `a`, `[]`, `b`, `*`.
fn split_path(path: &'static str) -> Vec<&'static str> {
    let mut segments = Vec::new();
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        segments.push(name);
        segments.extend(std::iter::repeat_n("[]", (part.len() - name.len()) / 2));
    }
    segments
}
