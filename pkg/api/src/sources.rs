//! Where the values of a configuration stand in the user's file, and what is wrong or without effect there.

use crate::document::{Document, FieldPath};
use crate::{FieldError, Place};
use std::path::{Path, PathBuf};

/// The file of a configuration. Two configurations with the same values are equal, wherever these come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    path: PathBuf,
    documents: Vec<Document>,
    pub(crate) mistakes: Vec<FieldError>,
    pub(crate) notes: Vec<String>,
}

impl PartialEq for Sources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Sources {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Adds a document that is used.
    pub(crate) fn add_document(&mut self, document: &Document) {
        self.documents.push(document.clone());
    }

    /// A place in the file.
    pub(crate) fn place(&self, line: usize) -> Place {
        Place { path: self.path.clone(), line }
    }

    /// Adds what is wrong with a whole document, or with a field of it.
    pub(crate) fn add_mistake(&mut self, line: usize, field: String, message: String) {
        let place = Some(self.place(line));
        self.mistakes.push(FieldError { place, field, message, hint: None });
    }

    /// Adds what a field of the file has no effect on.
    pub(crate) fn add_note(&mut self, line: usize, note: &str) {
        self.notes.push(format!("{}: {note}", self.place(line)));
    }

    /// Where a field stands, if it does in one of the documents; else the nearest field around it.
    pub(crate) fn locate(&self, field: &str) -> Option<Place> {
        let path = FieldPath::parse(field);
        let found = self.documents.iter().map(|document| document.locate(&path));
        let (line, _) = found.filter(|(_, steps)| *steps > 0).max_by_key(|(_, steps)| *steps)?;
        Some(self.place(line))
    }
}
