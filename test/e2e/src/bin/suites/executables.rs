//! The programs that cargo built.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Executables by the name of their target.
pub(crate) struct Executables {
    tests: HashMap<String, PathBuf>,
    programs: HashMap<String, PathBuf>,
}

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Executables {
    /// An integration test of some package.
    pub(crate) fn test(&self, name: &str) -> Result<&Path> {
        self.tests.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no test {name}"))
    }

    /// A program.
    pub(crate) fn program(&self, name: &str) -> Result<&Path> {
        self.programs.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no program {name}"))
    }
}

/// Reads cargo's messages, one JSON document a line.
pub(crate) fn read(messages: &Path) -> Result<Executables> {
    let text = fs::read_to_string(messages).with_context(|| format!("cannot read {}", messages.display()))?;
    let mut found = Executables { tests: HashMap::new(), programs: HashMap::new() };
    for line in text.lines() {
        let message: Message = serde_json::from_str(line).context("not cargo's message format")?;
        let (Some(path), Some(target), Some(profile)) = (message.executable, message.target, message.profile) else {
            continue;
        };
        match (target.kind.first().map(String::as_str), profile.test) {
            (Some("test"), true) => drop(found.tests.insert(target.name, path)),
            (Some("bin"), false) => drop(found.programs.insert(target.name, path)),
            _ => {}
        }
    }
    Ok(found)
}
