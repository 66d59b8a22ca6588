//! Reading a file of several documents: all mistakes at once, each with its line, and for a misspelt name the nearest known one.

mod kinds;
mod v1beta3;

pub use kinds::Reader;

use crate::document::{Document, read_tree, split_documents};
use crate::error::sort_mistakes;
use crate::fields::{check_fields, find_table};
use crate::node_state::{FORMER_FIELDS, FormerState, NODE_STATE};
use crate::sources::Sources;
use crate::yaml::{KUBE_PROXY, KUBELET, ROOTLESS};
use crate::{Config, ConfigError, FieldError};
use kinds::{Header, check_kind};
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};
use std::path::Path;

/// A file of documents.
#[derive(Debug)]
pub struct ConfigFile {
    documents: Vec<(Header, Document, Value)>,
    mistakes: Sources,
    origin: Origin,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A user's file.
    User,
    /// The state directory.
    Kept,
}

impl Config {
    /// Reads all documents of a text; `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        ConfigFile::new(path, text).read(Reader::All).require_form()
    }

    /// Reads the configuration that [`Config::to_kept_yaml`] wrote, or a version before 1.0.
    pub fn parse_kept(path: &Path, text: &str) -> Result<Self, ConfigError> {
        ConfigFile::read_documents(path, text, Origin::Kept).read(Reader::All).require_form()
    }

    /// The configuration, or every mistake of form of its file.
    pub fn require_form(mut self) -> Result<Self, ConfigError> {
        let mistakes = sort_mistakes(std::mem::take(&mut self.sources).mistakes);
        if mistakes.is_empty() { Ok(self) } else { Err(ConfigError::Invalid(mistakes)) }
    }

    /// What has no effect in the user's file, each with its place.
    pub fn notes(&self) -> &[String] {
        &self.sources.notes
    }
}

impl ConfigFile {
    /// Reads the documents of a user's file; `path` is for messages only.
    pub fn new(path: &Path, text: &str) -> Self {
        Self::read_documents(path, text, Origin::User)
    }

    /// The commands that the file is for; [`Reader::All`] if it is for none.
    pub fn readers(&self) -> Vec<Reader> {
        let joins = self.has_kind("JoinConfiguration");
        let inits = self.has_kind("InitConfiguration") || self.has_kind("ClusterConfiguration");
        match (inits, joins) {
            (true, true) => vec![Reader::Init, Reader::Join],
            (_, true) => vec![Reader::Join],
            (true, _) => vec![Reader::Init],
            _ if self.has_kind("RootlessConfiguration") => vec![Reader::Init],
            _ => vec![Reader::All],
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        self.documents.iter().any(|(header, ..)| header.kind == kind)
    }

    /// The configuration of a command, with every mistake of form in [`Config::sources`], for [`Config::validate`].
    pub fn read(&self, reader: Reader) -> Config {
        let mut config = Config { sources: self.mistakes.clone(), ..Config::default() };
        let mut limit = None;
        for (header, document, value) in &self.documents {
            if reader.reads(&header.kind) {
                config.sources.add_document(document);
                limit = self.store_document(&mut config, header, document, value.clone()).or(limit);
            } else {
                config.sources.add_note(document.line, &format!("{reader} does not read {}", header.kind));
            }
        }
        if reader == Reader::Init && self.has_kind("JoinConfiguration") {
            // In a file for all hosts it is for those that join.
            config.rootless.bundle_from_peer = false;
        }
        if let Some(limit) = limit {
            config.init.timeouts.control_plane_component_health_check = limit;
        }
        if self.origin == Origin::User && config.sources.mistakes.is_empty() {
            let kinds = self.documents.iter().map(|(header, ..)| header.kind.as_str());
            if let Some(message) = reader.find_missing(kinds) {
                config.sources.add_mistake(1, String::new(), message);
            }
        }
        config
    }

    fn read_documents(path: &Path, text: &str, origin: Origin) -> Self {
        let mut file = Self { documents: Vec::new(), mistakes: Sources::new(path), origin };
        for document in split_documents(text) {
            match read_tree(&document.text) {
                Ok(tree) if tree.value.is_null() => {}
                Ok(tree) => {
                    for duplicate in kinds::select_duplicates(&tree.duplicates) {
                        let (line, _) = document.locate(duplicate);
                        let (field, message) = kinds::describe_duplicate(duplicate);
                        file.mistakes.add_mistake(line, field, message);
                    }
                    file.add_document(document, tree.value);
                }
                Err(error) => {
                    let (line, message) = describe_syntax(&document, &error);
                    file.mistakes.add_mistake(line, String::new(), message);
                }
            }
        }
        file
    }

    fn add_document(&mut self, document: Document, mut value: Value) {
        let header = match check_kind(&mut value, self.origin == Origin::Kept) {
            Ok(header) => header,
            Err((message, hint)) => {
                let place = Some(self.mistakes.place(document.line));
                return self.mistakes.mistakes.push(FieldError { place, field: String::new(), message, hint });
            }
        };
        if self.documents.iter().any(|(other, ..)| other.kind == header.kind) {
            let message = format!("a second {} document; one file holds each kind once", header.kind);
            return self.mistakes.add_mistake(document.line, String::new(), message);
        }
        self.documents.push((header, document, value));
    }

    /// Puts the document into the configuration; the limit of v1beta3 that belongs to another document, if there is one.
    fn store_document(
        &self,
        config: &mut Config,
        header: &Header,
        document: &Document,
        mut value: Value,
    ) -> Option<crate::Duration> {
        let mut limit = None;
        if header.api_version == ROOTLESS && header.kind != NODE_STATE {
            self.take_former_fields(config, document, &mut value);
        }
        // What the program wrote itself, also in an earlier version, is taken as it is.
        if self.origin == Origin::User {
            let fields = check_document(config, header, document, value);
            let mut fields = if header.api_version == v1beta3::VERSION {
                let (fields, moved) = v1beta3::convert(&header.kind, fields);
                limit = moved;
                fields
            } else {
                fields
            };
            drop_unspecified(&mut fields);
            value = fields.into();
        }
        let sources = &mut config.sources;
        match (header.api_version.as_str(), header.kind.as_str()) {
            (KUBELET, _) => config.kubelet = Some(read_fields(sources, document, value)),
            (KUBE_PROXY, _) => config.kube_proxy = Some(read_fields(sources, document, value)),
            (ROOTLESS, NODE_STATE) => config.state = read_fields(sources, document, value),
            (ROOTLESS, _) => config.rootless = read_fields(sources, document, value),
            (_, "InitConfiguration") => config.init = read_fields(sources, document, value),
            (_, "ClusterConfiguration") => config.cluster = read_fields(sources, document, value),
            (_, "JoinConfiguration") => config.join = Some(read_fields(sources, document, value)),
            _ => {}
        }
        limit
    }

    /// Takes the node's state out of the `RootlessConfiguration` of a version before 1.0; in a user's file it is a mistake.
    fn take_former_fields(&self, config: &mut Config, document: &Document, value: &mut Value) {
        let Value::Mapping(fields) = value else { return };
        if self.origin == Origin::Kept && FORMER_FIELDS.iter().any(|field| fields.contains_key(field)) {
            let former: FormerState = read_fields(&mut config.sources, document, fields.clone().into());
            config.state = former.into();
        }
        for field in FORMER_FIELDS {
            if fields.remove(field).is_some() && self.origin == Origin::User {
                let (line, _) = document.locate(&crate::document::FieldPath::parse(field));
                let (message, hint) = kinds::refuse_state(field);
                let place = Some(config.sources.place(line));
                config.sources.mistakes.push(FieldError { place, field: String::new(), message, hint: Some(hint) });
            }
        }
    }
}

/// The fields of a document that are right and have an effect; mistakes and notes go to the configuration's sources.
fn check_document(config: &mut Config, header: &Header, document: &Document, value: Value) -> Mapping {
    let table = find_table(&header.api_version, &header.kind).expect("the kind is known");
    let checked = check_fields(table, value);
    for (path, message) in checked.mistakes {
        let (line, _) = document.locate(&path);
        config.sources.add_mistake(line, path.to_string(), message);
    }
    for (path, note) in checked.notes {
        let (line, _) = document.locate(&path);
        let field = if path.0.is_empty() { header.kind.clone() } else { path.to_string() };
        config.sources.add_note(line, &format!("{field} has no effect: {note}"));
    }
    checked.fields
}

/// An address of no host means the default, and so does the limit of no time that `kubeadm config migrate` writes.
fn drop_unspecified(fields: &mut Mapping) {
    if let Some(Value::Mapping(limits)) = fields.get_mut("timeouts")
        && limits.get("controlPlaneComponentHealthCheck").is_some_and(|limit| limit == "0s")
    {
        limits.remove("controlPlaneComponentHealthCheck");
    }
    if let Some(Value::Mapping(endpoint)) = fields.get_mut("localAPIEndpoint") {
        let address = endpoint.get("advertiseAddress").and_then(Value::as_str).unwrap_or_default();
        if address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            endpoint.remove("advertiseAddress");
        }
    }
}

fn read_fields<T: DeserializeOwned + Default>(sources: &mut Sources, document: &Document, fields: Value) -> T {
    serde_yaml::from_value(fields).unwrap_or_else(|error| {
        sources.add_mistake(document.line, String::new(), error.to_string());
        T::default()
    })
}

/// The line and the cause of an error of syntax.
fn describe_syntax(document: &Document, error: &serde_yaml::Error) -> (usize, String) {
    let mut message = error.to_string();
    let Some(place) = error.location() else { return (document.line, message) };
    let (line, column) = (place.line(), place.column());
    if let Some(stem) = message.strip_suffix(&format!(" at line {line} column {column}")) {
        message.truncate(stem.len());
    }
    let text = document.text.lines().nth(line - 1).unwrap_or_default();
    if text.trim_start_matches(' ').starts_with('\t') {
        message = "a tab indents this line; YAML is indented by spaces".into();
    }
    (line, message)
}

#[cfg(test)]
mod tests;
