//! What the program says of itself, and how it says no.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_usernetes-rs")).args(words).env_clear().output().unwrap()
}

fn help(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_commands() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn init() {
    insta::assert_snapshot!(help(&["init", "--help"]));
}

#[test]
fn join() {
    insta::assert_snapshot!(help(&["join", "--help"]));
}

#[test]
fn phases_are_listed_without_a_name() {
    insta::assert_snapshot!(help(&["init", "phase"]));
    insta::assert_snapshot!("join_phases", help(&["join", "phase"]));
}

#[test]
fn guides_are_shown() {
    assert!(help(&["help", "topics"]).contains("several-machines"));
    assert!(help(&["-q", "help", "networking"]).starts_with("# Ports and networking"));
    assert!(help(&["help", "init"]).contains("Usage: usernetes-rs init"));
    assert_eq!(run(&["help", "nonsense"]).status.code(), Some(64));
}

#[test]
fn completion_names_every_command() {
    let script = help(&["completion", "bash"]);
    for command in ["init", "join", "status", "reset", "kubectl", "bundle", "token"] {
        assert!(script.contains(command), "{command}");
    }
}

#[test]
fn wrong_words_are_usage_errors() {
    for words in [
        &["nonsense"][..],
        &["init", "--nonsense"],
        &["init", "--bundle"],
        &["--cluster", "No_Good", "status"],
        &["init", "--cgroups", "some"],
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}

/// What a run with files of its own says on stdout and stderr, and its exit code.
fn said(words: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    // As after an init that failed early: reset has something to ask about.
    std::fs::create_dir_all(home.path().join(".local/share/usernetes/default")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_usernetes-rs"))
        .arg("--allow-root")
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    format!("{}{}\n", String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

#[test]
fn what_is_wrong_is_named_as_it_was_typed() {
    let runs: [&[&str]; 15] = [
        &["init", "--host-ip", "192.0.2.1", "--pod-network-cidr", "10.0.0.0/99"],
        &["init", "--config", "/nowhere/c.yaml"],
        &["config", "validate", "--config", "/"],
        &["init", "--token", "secret"],
        &["init", "--apiserver-bind-port", "70000"],
        &["init", "--kubelet-port", "0"],
        &["init", "--oci-runtime", "youki"],
        &["join", "192.0.2.2"],
        &["join", "192.0.2.2:6443"],
        &["join", "192.0.2.2:6443", "--token", "abcdef.0123456789abcdef"],
        &["join", "192.0.2.2:6443", "--token", "secret"],
        &["join", "u7s1.AG8BUVOE"],
        &["token", "create", "secret"],
        &["token", "delete", "secrets"],
        &["reset"],
    ];
    let text: Vec<_> = runs.iter().map(|words| format!("$ {}\n{}", words.join(" "), said(words))).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn documents_are_a_line_each_in_json() {
    let text = said(&["config", "print", "-o", "json", "--host-ip", "192.0.2.1"]);
    let kinds: Vec<_> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["kind"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(kinds, ["InitConfiguration", "ClusterConfiguration", "RootlessConfiguration"], "{text}");
    assert_eq!(text.lines().count(), kinds.len() + 1, "{text}");
}

#[test]
fn old_spellings_of_flags_are_accepted() {
    for flag in ["--privileged-port-offset", "--shift-privileged"] {
        assert!(said(&["start", flag, "8000"]).ends_with("1\n"), "{flag}");
    }
}

#[test]
fn only_init_has_phases() {
    for words in
        [&["preflight", "phase"][..], &["preflight", "--skip-phases", "certs"], &["config", "print", "phase", "certs"]]
    {
        assert_eq!(run(words).status.code(), Some(64), "{words:?}");
    }
}
