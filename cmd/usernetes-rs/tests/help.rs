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
