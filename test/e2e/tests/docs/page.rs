//! Commands of the README and the guides.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A line of a fenced `sh` block, without its comment.
pub(crate) struct Command {
    /// The nearest heading above it.
    pub(crate) section: String,
    /// The command.
    pub(crate) text: String,
}

/// Names of the README and of every guide, as `several-machines`.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut names = vec!["README".to_owned()];
    for entry in fs::read_dir(guides())? {
        let path = entry?.path();
        names.push(path.file_stem().context("no name")?.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The commands of a page, in order.
pub(crate) fn commands(name: &str) -> Result<Vec<Command>> {
    let path = if name == "README" { root().join("README.md") } else { guides().join(format!("{name}.md")) };
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut section, mut shell, mut found) = (String::new(), false, Vec::new());
    for line in text.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            shell = fence == "sh";
        } else if shell {
            let text = line.split(" #").next().unwrap_or_default().trim();
            if !text.is_empty() {
                found.push(Command { section: section.clone(), text: text.to_owned() });
            }
        } else if let Some(heading) = line.strip_prefix('#') {
            heading.trim_matches(['#', ' ']).clone_into(&mut section);
        }
    }
    Ok(found)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guides() -> PathBuf {
    root().join("cmd/usernetes-rs/docs")
}
