use super::*;
use std::fs::{create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use tempfile::TempDir;
use usernetes_api::Xdg;

fn top() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn paths(top: &Path, cluster: &str) -> Paths {
    let xdg = Xdg { config: top.join("c"), data: top.join("d"), cache: top.join("h"), runtime: top.join("r") };
    Paths::new(xdg, cluster.parse().expect("a name"))
}

/// A state directory with a mark and a key.
fn make_state(directory: &Path) {
    create_dir_all(directory.join("node/etc/kubernetes")).expect("writable");
    write(directory.join("node/etc/kubernetes/ca.key"), "secret").expect("writable");
    write(directory.join("lock"), "init (pid 1)").expect("writable");
}

fn inspect(path: &Path) -> StateDirectory {
    StateDirectory::inspect(path).expect("a state directory").expect("there")
}

#[test]
fn only_a_directory_with_marks_is_a_state() {
    let top = top();
    let state = top.path().join("default");
    assert!(StateDirectory::inspect(&state).expect("nothing is no error").is_none());
    create_dir_all(state.join("node")).expect("writable");
    let error = StateDirectory::inspect(&state).expect_err("no marks");
    assert!(error.to_string().ends_with("known (node.lock, journal.json, config.yaml, lock)"), "{error}");
    create_dir_all(state.join("lock")).expect("writable");
    StateDirectory::inspect(&state).expect_err("a mark is a file");
    write(state.join("journal.json"), "").expect("writable");
    inspect(&state);
    write(top.path().join("file"), "").expect("writable");
    StateDirectory::inspect(&top.path().join("file")).expect_err("not a directory");
    StateDirectory::inspect(Path::new("/proc/1")).expect_err("no marks, or of another user");
    symlink(top.path().join("none"), top.path().join("dangling")).expect("writable");
    let error = StateDirectory::inspect(&top.path().join("dangling")).expect_err("the disk is not mounted");
    assert!(error.to_string().contains("which cannot be opened"), "{error}");
}

#[test]
fn marks_are_removed_last_and_others_are_kept_apart() {
    let top = top();
    let state = top.path().join("default");
    make_state(&state);
    for name in ["config.yaml", ".new-1", "photos", "running"] {
        write(state.join(name), "").expect("writable");
    }
    let found = inspect(&state);
    let names: Vec<_> = found.ours.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, [".new-1", "node", "running", "config.yaml", "lock"]);
    assert_eq!(found.others, [state.join("photos")]);
}

#[test]
fn a_linked_part_is_found() {
    let top = top();
    let state = top.path().join("default");
    make_state(&state);
    symlink("/nonexistent", state.join("log")).expect("writable");
    create_dir_all(state.join("node/var")).expect("writable");
    symlink(top.path(), state.join("node/var/lib")).expect("writable");
    assert_eq!(inspect(&state).linked_directories().expect("read"), [state.join("log"), state.join("node/var/lib")]);
    inspect(&state).remove().expect_err("keys would stay");
    assert!(state.join("lock").exists());
}

#[test]
fn a_runtime_directory_has_only_a_socket() {
    let top = top();
    let paths = paths(top.path(), "one");
    remove_runtime(&paths, &paths.runtime()).expect("nothing is no error");
    create_dir_all(paths.runtime()).expect("writable");
    set_permissions(paths.runtime(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    remove_runtime(&paths, &paths.runtime()).expect_err("not private");
    set_permissions(paths.runtime(), std::fs::Permissions::from_mode(0o700)).expect("ours");
    drop(UnixListener::bind(paths.runtime().join(SOCKET)).expect("bound"));
    write(paths.runtime().join("photo"), "").expect("writable");
    let error = remove_runtime(&paths, &paths.runtime()).expect_err("another file");
    assert!(error.to_string().ends_with("photo is not of usernetes-rs"), "{error}");
    assert!(paths.runtime().join(SOCKET).exists());
    std::fs::remove_file(paths.runtime().join("photo")).expect("there");
    remove_runtime(&self::paths(top.path(), "two"), &paths.runtime()).expect_err("of another cluster");
    remove_runtime(&paths, &paths.runtime()).expect("all is ours");
    assert!(!paths.runtime().exists());
}
