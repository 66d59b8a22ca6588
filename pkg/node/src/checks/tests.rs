use super::*;
use nix::sys::statfs;
use std::fmt::Write as _;
use usernetes_host::Level;

fn show(findings: &[Finding]) -> String {
    let mut text = String::new();
    for f in findings {
        let hint = f.hint.as_deref().unwrap_or("-");
        writeln!(text, "{:?} {}: {} | {hint}", f.level, f.check, f.message).expect("a string");
    }
    text
}

#[test]
fn machines_that_are_too_small() {
    let mib = |n: u64| Some(n * 1024 * 1024);
    insta::assert_snapshot!(show(&[
        machine::check_cpus(Role::ControlPlane, 1),
        machine::check_cpus(Role::Worker, 1),
        machine::check_memory(Role::ControlPlane, mib(999)),
        machine::check_memory(Role::ControlPlane, mib(1699)),
        machine::check_memory(Role::ControlPlane, mib(1700)),
        machine::check_memory(Role::Worker, mib(399)),
        machine::check_memory(Role::Worker, mib(800)),
        machine::check_memory(Role::Worker, None),
        machine::check_swap(mib(512)),
        machine::check_swap(Some(0)),
        machine::check_program("no-such-program", "it is missed", "apt install it"),
        machine::check_program("sh", "", ""),
    ]));
}

#[test]
fn versions_of_crun() {
    let versions = [None, Some("odd"), Some("crun version 1.8.1\nspec: 1.0.0\n"), Some("crun version 1.21\n")];
    insta::assert_snapshot!(show(&versions.map(crun::check_crun_version)));
}

#[test]
fn node_names() {
    for good in ["node1", "a-b.example.org", "0"] {
        assert_eq!(machine::check_hostname(good).level, Level::Passed, "{good}");
    }
    for bad in ["", "Node1", "a_b", "-a", "a-", "a..b", &"a".repeat(254)] {
        assert_eq!(machine::check_hostname(bad).level, Level::Error, "{bad}");
    }
}

#[test]
fn file_systems() {
    let path = Path::new("/home/alice");
    #[expect(clippy::unnecessary_cast, reason = "its width depends on the architecture")]
    let on = |fs: statfs::FsType| storage::check_file_system(path, fs.0 as i64);
    insta::assert_snapshot!(show(&[
        on(statfs::NFS_SUPER_MAGIC),
        on(statfs::FUSE_SUPER_MAGIC),
        on(statfs::TMPFS_MAGIC),
        on(statfs::EXT4_SUPER_MAGIC),
        storage::check_file_system(path, 0x0bd0_0bd0),
        storage::check_file_system(path, 0xff53_4d42),
        storage::check_free_space(path, 1 << 30),
        storage::check_free_space(path, 5 << 30),
        storage::check_free_space(path, 6 << 30),
    ]));
}

#[test]
fn limits_of_the_user() {
    insta::assert_snapshot!(show(&[
        limits::check_inotify("128\n", "8192\n"),
        limits::check_inotify("512\n", "8192\n"),
        limits::check_inotify("512\n", "65536\n"),
        limits::check_inotify("", ""),
        limits::check_keyring("200\n"),
        limits::check_keyring("2000\n"),
        limits::check_receive_buffer("212992\n"),
        limits::check_receive_buffer("4194304\n"),
        limits::check_receive_buffer(""),
        limits::check_open_files(4096),
        limits::check_open_files(524_288),
        limits::check_processes(100, 512),
        limits::check_processes(u64::MAX, 1000),
        limits::check_processes(u64::MAX, u64::MAX),
    ]));
}

#[test]
fn reads_meminfo() {
    let text = "MemTotal:       24680012 kB\nSwapTotal:             0 kB\n";
    assert_eq!(machine::parse_meminfo(text, "MemTotal"), Some(24_680_012 * 1024));
    assert_eq!(machine::parse_meminfo(text, "SwapTotal"), Some(0));
    assert_eq!(machine::parse_meminfo(text, "Swap"), None);
}

#[test]
fn every_check_has_its_own_name_and_this_machine_can_be_checked() {
    let findings = run_checks(Role::ControlPlane, "node1", &crate::plan::tests::paths());
    let names: std::collections::BTreeSet<_> = findings.iter().map(|f| f.check.as_str()).collect();
    assert_eq!(names.len(), findings.len());
    assert!(findings.iter().all(|f| (f.level == Level::Passed) == f.hint.is_none()));
}
