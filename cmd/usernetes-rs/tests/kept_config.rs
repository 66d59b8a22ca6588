//! The kept configuration of versions before 1.0, with the node's state among the fields of `RootlessConfiguration`.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::process::Command;

const KEPT: &str = include_str!("../../../pkg/api/src/parse/kept-by-0.1.yaml");

/// Runs a command on a host whose state directory has the old file; exit code, and both outputs as one text.
fn run(words: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join(".local/share/usernetes/default");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("config.yaml"), KEPT).unwrap();
    std::fs::write(home.path().join("user.yaml"), KEPT).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_usernetes-rs"))
        .arg("--allow-root")
        .args(words)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn is_read() {
    let (code, text) = run(&["status"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("node     vm (worker)"), "{text}");
}

#[test]
fn is_no_file_of_a_user() {
    let (code, text) = run(&["config", "validate", "--config", "user.yaml"]);
    assert_eq!(code, 3, "{text}");
    insta::assert_snapshot!(text, @"
    error: user.yaml:39: hostIPFound is state of a node, not configuration
    user.yaml:41: bundleSHA256 is state of a node, not configuration
    hint: remove hostIPFound; the program keeps it itself; remove bundleSHA256; the program keeps it itself
    ");
}
