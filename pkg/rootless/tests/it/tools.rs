//! Entering, deleting, checking.

use crate::harness::{Node, assert_same, assert_that};
use libtest_mimic::Failed;
use usernetes_api::NetworkDriver;
use usernetes_host::Level;
use usernetes_rootless::{checks, enter_command, remove_all};

pub(crate) const TESTS: &[(&str, crate::Test)] = &[
    ("tools::enter_gives_the_exit_code", enter_gives_the_exit_code),
    ("tools::files_of_subordinate_ids_are_deleted", files_of_subordinate_ids_are_deleted),
    ("tools::checks_pass", checks_pass),
];

fn enter_gives_the_exit_code() -> Result<(), Failed> {
    let node = Node::start()?;
    let code = |words: &[&str]| -> Result<Option<i32>, Failed> {
        Ok(enter_command(node.child_pid, words).output()?.status.code())
    };
    assert_same(code(&["sh", "-c", "exit 5"])?, Some(5))?;
    assert_same(code(&["sh", "-c", "kill -15 $$"])?, Some(143))?;
    assert_same(code(&["/no/such/program"])?, Some(126))?;
    assert_same(
        node.sh("pwd; echo $PATH; test -n \"$(ls /proc/1/root)\" && echo root")?.as_str(),
        "/\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nroot",
    )
}

fn files_of_subordinate_ids_are_deleted() -> Result<(), Failed> {
    let node = Node::start()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("subordinate");
    let p = path.display();
    node.sh(&format!("mkdir -p {p}/a/b && echo x > {p}/a/b/c && chown -R 1000:1000 {p} && chmod 700 {p}"))?;
    node.stop()?;
    assert_that(std::fs::remove_dir_all(&path).is_err(), "the user alone may not")?;
    remove_all(&[path.clone(), directory.path().join("absent")])?;
    assert_that(!path.exists(), "it is gone")?;
    let error = remove_all(&["/proc/self".into()]).err().ok_or("it was deleted")?;
    assert_that(error.to_string().starts_with("cannot delete /proc/self: "), &error.to_string())
}

fn checks_pass() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let findings = checks::checks(directory.path(), NetworkDriver::default());
    let errors: Vec<_> = findings.iter().filter(|f| f.level == Level::Error).collect();
    assert_that(errors.is_empty(), &format!("{errors:?}"))?;
    for name in ["UserNamespace", "SubID", "Newuidmap", "TunDevice", "Slirp4netns", "OverlayInUserns"] {
        let passed = findings.iter().any(|f| f.check == name && f.level == Level::Passed);
        assert_that(passed, &format!("{name}: {findings:?}"))?;
    }
    assert_same(std::fs::read_dir(directory.path())?.count(), 0)
}
