//! Reading multi-document YAML: each mistake with its line in the file and, for a misspelt name, the nearest known one.
//!
//! A document's type is known only after `apiVersion` and `kind` were read, and a strict type must not see those
//! two. So each document is read twice: for its header, then through [`Body`], which passes everything else on.

use crate::node_state::{FORMER_FIELDS, FormerState, NODE_STATE};
use crate::yaml::{KUBE_PROXY, KUBEADM, KUBELET, ROOTLESS};
use crate::{Config, ConfigError, RootlessConfiguration};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer as _, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

const KNOWN: [(&str, &str); 6] = [
    (KUBEADM, "InitConfiguration"),
    (KUBEADM, "ClusterConfiguration"),
    (KUBEADM, "JoinConfiguration"),
    (ROOTLESS, "RootlessConfiguration"),
    (KUBELET, "KubeletConfiguration"),
    (KUBE_PROXY, "KubeProxyConfiguration"),
];

/// Names of fields before 1.0: still read, but not suggested.
const OLD_NAMES: [&str; 2] = ["moreEndpoints", "shiftPrivileged"];

impl Config {
    /// Reads all documents of a user's file; `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::read_documents(path, text, Origin::User)
    }

    /// Reads the configuration that [`Config::to_kept_yaml`] wrote, or a version before 1.0.
    pub fn parse_kept(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::read_documents(path, text, Origin::Kept)
    }

    fn read_documents(path: &Path, text: &str, origin: Origin) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut seen = HashSet::new();
        for document in split_documents(path, text) {
            let Some(header) = document.read_as::<Option<Header>>("YAML")? else { continue };
            let header = document.check_header(header)?;
            if !seen.insert(header.kind.clone()) {
                return Err(ConfigError::Duplicate { path: path.into(), line: document.line, kind: header.kind });
            }
            config.store_document(&document, &header, origin)?;
        }
        Ok(config)
    }

    fn store_document(&mut self, document: &Source<'_>, header: &Header, origin: Origin) -> Result<(), ConfigError> {
        let kind = header.kind.as_str();
        match (header.api_version.as_str(), kind) {
            (KUBEADM, "InitConfiguration") => self.init = document.read_body(kind)?,
            (KUBEADM, "ClusterConfiguration") => self.cluster = document.read_body(kind)?,
            (KUBEADM, "JoinConfiguration") => self.join = Some(document.read_body(kind)?),
            (ROOTLESS, "RootlessConfiguration") => match document.read_body(kind) {
                Err(ConfigError::NodeState { .. }) if origin == Origin::Kept => self.put_former(document, kind)?,
                rootless => self.rootless = rootless?,
            },
            (ROOTLESS, NODE_STATE) if origin == Origin::Kept => self.state = document.read_body(kind)?,
            (ROOTLESS, NODE_STATE) => return Err(document.node_state(document.line, kind)),
            (KUBELET, "KubeletConfiguration") => self.kubelet = Some(document.read_body(kind)?),
            (KUBE_PROXY, "KubeProxyConfiguration") => self.kube_proxy = Some(document.read_body(kind)?),
            _ => return Err(document.unknown_kind(header)),
        }
        Ok(())
    }

    /// Reads a `RootlessConfiguration` of a version before 1.0, with the node's state among its fields.
    fn put_former(&mut self, document: &Source<'_>, kind: &str) -> Result<(), ConfigError> {
        self.state = document.read_body::<FormerState>(kind)?.into();
        let mut fields: serde_yaml::Mapping = document.read_body(kind)?;
        fields.retain(|name, _| !FORMER_FIELDS.iter().any(|former| name == former));
        let rootless = serde_yaml::from_value::<RootlessConfiguration>(fields.into());
        self.rootless = rootless.map_err(|error| document.parse_error(kind, &error))?;
        Ok(())
    }
}

/// Where a text comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A user's file.
    User,
    /// The state directory.
    Kept,
}

/// The fields that name the type of a document.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a document with apiVersion and kind")]
struct Header {
    api_version: String,
    kind: String,
}

/// One document.
struct Source<'a> {
    path: &'a Path,
    /// Line of its first content, from 1.
    line: usize,
    /// Its text, behind as many empty lines as precede it in the file: so every line that the parser names is the file's.
    text: String,
}

/// Cuts at the lines that begin with `---`; nothing else may begin so, not even a line of a quoted text.
fn split_documents<'a>(path: &'a Path, text: &str) -> Vec<Source<'a>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut starts: Vec<usize> = (0..lines.len()).filter(|&n| n == 0 || is_separator(lines[n])).collect();
    starts.push(lines.len());
    let documents = starts.windows(2).map(|pair| (pair[0], &lines[pair[0]..pair[1]]));
    let documents = documents.filter_map(|(from, lines)| {
        let first = lines.iter().position(|line| has_content(line))?;
        let text = "\n".repeat(from) + &lines.join("\n") + "\n";
        Some(Source { path, line: from + first + 1, text })
    });
    documents.collect()
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Whether a line has more than a separator and a comment.
fn has_content(line: &str) -> bool {
    let line = if is_separator(line) { &line[3..] } else { line }.trim();
    !line.is_empty() && !line.starts_with('#')
}

impl Source<'_> {
    fn read_as<'de, T: Deserialize<'de>>(&'de self, kind: &str) -> Result<T, ConfigError> {
        serde_yaml::from_str(&self.text).map_err(|error| self.parse_error(kind, &error))
    }

    fn read_body<'de, T: Deserialize<'de>>(&'de self, kind: &str) -> Result<T, ConfigError> {
        self.read_as::<Body<T>>(kind).map(|body| body.0)
    }

    fn check_header(&self, header: Header) -> Result<Header, ConfigError> {
        let missing = match (header.api_version.is_empty(), header.kind.is_empty()) {
            (false, false) => return Ok(header),
            (true, true) => "apiVersion and kind are missing",
            (true, false) => "apiVersion is missing",
            (false, true) => "kind is missing",
        };
        let (kind, message) = ("YAML".into(), missing.into());
        Err(ConfigError::Parse { path: self.path.into(), line: self.line, kind, message })
    }

    fn unknown_kind(&self, header: &Header) -> ConfigError {
        let (path, line) = (self.path.to_owned(), self.line);
        let (api_version, kind) = (header.api_version.clone(), header.kind.clone());
        // kubeadm converts from every version that it still reads; anything older is left to kubeadm.
        if matches!(
            api_version.as_str(),
            "kubeadm.k8s.io/v1beta1" | "kubeadm.k8s.io/v1beta2" | "kubeadm.k8s.io/v1beta3"
        ) {
            return ConfigError::Outdated { path, line, api_version, kind };
        }
        let known = KNOWN.map(|(api_version, kind)| format!("{api_version} {kind}")).join(", ");
        ConfigError::UnknownKind { path, line, api_version, kind, known }
    }

    fn node_state(&self, line: usize, name: &str) -> ConfigError {
        ConfigError::NodeState { path: self.path.into(), line, name: name.into() }
    }

    fn parse_error(&self, kind: &str, error: &serde_yaml::Error) -> ConfigError {
        let (mut line, mut message) = (self.line, error.to_string());
        if let Some(at) = error.location() {
            line = at.line();
            // The line is already in front of the message.
            if let Some(stem) = message.strip_suffix(&format!(" at line {line} column {}", at.column())) {
                message.truncate(stem.len());
            }
        }
        let former = FORMER_FIELDS.iter().find(|field| message.contains(&format!("unknown field `{field}`")));
        if let Some(field) = former.filter(|_| kind == "RootlessConfiguration") {
            return self.node_state(line, field);
        }
        ConfigError::Parse {
            path: self.path.into(),
            line,
            kind: kind.into(),
            message: suggest_name(&message).unwrap_or(message),
        }
    }
}

/// Shortens serde's "unknown field `a`, expected one of `b`, `c`" to the name that was probably meant.
fn suggest_name(message: &str) -> Option<String> {
    let what = ["field", "variant"].into_iter().find(|what| message.contains(&format!("unknown {what} `")))?;
    let (path, rest) = message.split_once(&format!("unknown {what} `"))?;
    let (given, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).filter(|name| !OLD_NAMES.contains(name)).collect();
    let word = if what == "field" { "field" } else { "value" };
    let near = crate::names::nearest_name(given, &known);
    Some(match near {
        Some(name) => format!("{path}unknown {word} `{given}`; did you mean `{name}`?"),
        None => format!("{path}unknown {word} `{given}`; known are {}", known.join(", ")),
    })
}

/// A document without its header.
struct Body<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Body<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor(PhantomData)).map(Body)
    }
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(WithoutHeader(map)))
    }
}

struct WithoutHeader<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutHeader<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, mut seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.0.next_key_seed(KeySeed(seed))? {
                None => return Ok(None),
                Some(Key::Field(value)) => return Ok(Some(value)),
                Some(Key::Header(unused)) => {
                    self.0.next_value::<IgnoredAny>()?;
                    seed = unused;
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

/// Looks at a key while the parser still knows its position, so that an unknown one is reported with its own line.
struct KeySeed<K>(K);

enum Key<V, K> {
    Field(V),
    Header(K),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for KeySeed<K> {
    type Value = Key<K::Value, K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for KeySeed<K> {
    type Value = Key<K::Value, K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        if matches!(key, "apiVersion" | "kind") {
            return Ok(Key::Header(self.0));
        }
        self.0.deserialize(key.into_deserializer()).map(Key::Field)
    }
}

#[cfg(test)]
mod tests;
