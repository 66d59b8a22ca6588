//! The shape of the workspace: who may depend on whom, which lints hold, which libraries must not creep in.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate and all that it may use of ours. `cmd` is the only one that may use all.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("usernetes-api", &[]),
    ("usernetes-host", &[]),
    ("usernetes-rootless", &["usernetes-api", "usernetes-host"]),
    ("usernetes-pki", &["usernetes-api", "usernetes-host"]),
    ("usernetes-node", &["usernetes-api", "usernetes-host", "usernetes-pki"]),
    ("usernetes-cluster", &["usernetes-api", "usernetes-pki"]),
    (
        "usernetes-daemon",
        &[
            "usernetes-api",
            "usernetes-cluster",
            "usernetes-host",
            "usernetes-node",
            "usernetes-pki",
            "usernetes-rootless",
        ],
    ),
    (
        "usernetes-rs",
        &[
            "usernetes-api",
            "usernetes-cluster",
            "usernetes-daemon",
            "usernetes-host",
            "usernetes-node",
            "usernetes-pki",
            "usernetes-rootless",
        ],
    ),
    // Sees the product from outside, as a user does.
    ("usernetes-e2e", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn crates_depend_on_each_other_as_the_design_says() {
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let uses = |package: &Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let shipped = dependencies.filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str());
        shipped.filter(|name| name.starts_with("usernetes-")).map(str::to_owned).collect()
    };
    let found: BTreeMap<_, _> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (p["name"].as_str().unwrap(), uses(p))).collect();
    let wanted: BTreeMap<_, BTreeSet<String>> =
        ALLOWED.iter().map(|(name, uses)| (*name, uses.iter().map(|s| (*s).to_owned()).collect())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_crate_has_the_workspaces_lints() {
    for directory in [
        "cmd/usernetes-rs",
        "pkg/api",
        "pkg/host",
        "pkg/rootless",
        "pkg/pki",
        "pkg/node",
        "pkg/cluster",
        "pkg/daemon",
        "test/e2e",
    ] {
        let manifest = std::fs::read_to_string(root().join(directory).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{directory}");
    }
}

#[test]
fn one_tls_provider_and_no_c_library_of_the_host() {
    for banned in ["ring", "openssl-sys", "native-tls", "serde_yaml"] {
        let args = ["tree", "--offline", "--workspace", "--edges", "normal,build", "--invert", banned];
        let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // The lock file may list it as an option that is not enabled.
        let absent = ["did not match any packages", "nothing to print"].iter().any(|words| said.contains(words));
        assert!(absent && output.stdout.is_empty(), "{banned}: {said}{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn libraries_do_not_print() {
    let printing = ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];
    for crate_ in ["api", "host", "rootless", "pki", "node", "cluster", "daemon"] {
        for file in rust_files(&root().join("pkg").join(crate_).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in lines.filter(|line| printing.iter().any(|word| line.contains(word))) {
                let in_test = file.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs");
                assert!(in_test, "{}: {line}", file.display());
            }
        }
    }
}

/// Top-level modules of the binary, lowest first: each may name only those before it. So a phase never names the command
/// line, and no two modules import each other.
const LAYERS: [&str; 8] = ["errors", "output", "journal", "session", "interrupt", "workflow", "phases", "cli"];

#[test]
fn modules_of_the_binary_import_downwards() {
    let source = root().join("cmd/usernetes-rs/src");
    for (layer, module) in LAYERS.iter().enumerate() {
        let directory = source.join(module);
        let single = vec![source.join(format!("{module}.rs"))];
        for file in if directory.exists() { rust_files(&directory) } else { single } {
            let text = std::fs::read_to_string(&file).unwrap();
            for above in &LAYERS[layer + 1..] {
                assert!(!text.contains(&format!("crate::{above}")), "{} names {above}", file.display());
            }
        }
    }
}

#[test]
fn only_the_binary_parses_flags() {
    for crate_ in ["api", "host", "rootless", "pki", "node", "cluster", "daemon"] {
        let manifest = std::fs::read_to_string(root().join("pkg").join(crate_).join("Cargo.toml")).unwrap();
        assert!(!manifest.contains("clap"), "{crate_}");
    }
}

#[test]
fn every_hint_is_shown() {
    let listed = std::fs::read_to_string(root().join("cmd/usernetes-rs/src/errors.rs")).unwrap();
    let listed = listed.split("    ask! {").nth(1).unwrap().split("    }").next().unwrap();
    let listed: BTreeSet<_> = listed.split(',').map(str::trim).collect();
    for crate_ in ["api", "host", "rootless", "pki", "node", "cluster", "daemon"] {
        for file in rust_files(&root().join("pkg").join(crate_).join("src")) {
            for error in errors_with_hint(&std::fs::read_to_string(&file).unwrap()) {
                // A name that several crates have is listed with its path.
                let path = format!("usernetes_{crate_}::");
                let is_it = |known: &&&str| **known == error || known.starts_with(&path) && known.ends_with(&error);
                let found = listed.iter().find(is_it);
                assert!(found.is_some(), "errors.rs does not ask {error} of {} for its hint", file.display());
            }
        }
    }
}

/// Names of the error types in `source` that have `hint()`.
fn errors_with_hint(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for before in source.split("pub fn hint(&self) -> Option<String>").collect::<Vec<_>>().split_last().unwrap().1 {
        let name = before.rsplit("\nimpl ").next().unwrap().split(' ').next().unwrap();
        if name.ends_with("Error") {
            found.push(name.to_owned());
        }
    }
    found
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}
