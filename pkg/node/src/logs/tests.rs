use super::*;
use crate::ComponentName::{Etcd, Kubelet};
use std::io::Write as _;

#[test]
fn rotation_keeps_the_writers_file_and_three_old_logs() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log_path(&directory.path().join("log"), Etcd);
    let mut file = open_log(&log).expect("opened");
    for n in 0..6 {
        writeln!(file, "first of {n}").expect("written");
        file.set_len(LONGEST + 1).expect("grown");
        rotate_log(&log).expect("rotated");
        assert_eq!(log.metadata().expect("there").len(), 0);
    }
    writeln!(file, "after").expect("written");
    assert_eq!(std::fs::read_to_string(&log).expect("read"), "after\n");
    let first = |n| {
        let text = std::fs::read(generation_path(&log, n)).expect("read");
        String::from_utf8_lossy(&text[..10]).into_owned()
    };
    assert_eq!([first(1), first(2), first(3)], ["first of 5", "first of 4", "first of 3"]);
    assert!(!generation_path(&log, 4).exists());
}

#[test]
fn a_short_log_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log_path(directory.path(), Etcd);
    rotate_log(&log).expect("nothing to do");
    writeln!(open_log(&log).expect("opened"), "one").expect("written");
    writeln!(open_log(&log).expect("opened"), "two").expect("written");
    assert_eq!(read_tail(directory.path(), Etcd, 10).expect("read"), ["one", "two"]);
    assert_eq!(read_tail(directory.path(), Etcd, 1).expect("read"), ["two"]);
    assert_eq!(read_tail(directory.path(), Etcd, 0).expect("read"), Vec::<String>::new());
    assert_eq!(read_tail(directory.path(), Kubelet, 10).expect("no log"), Vec::<String>::new());
}

#[test]
fn tail_goes_back_into_older_logs() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log_path(directory.path(), Etcd);
    std::fs::write(generation_path(&log, 1), "a\nb\n").expect("written");
    std::fs::write(&log, "c\n").expect("written");
    assert_eq!(read_tail(directory.path(), Etcd, 2).expect("read"), ["b", "c"]);
}

#[test]
fn follows_new_lines_new_logs_and_rotation() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log_path(directory.path(), Etcd);
    let mut file = open_log(&log).expect("opened");
    writeln!(file, "before").expect("written");
    let mut follow = follow_logs(directory.path(), &[Etcd, Kubelet]).expect("watched");
    let mut next = || follow.next().expect("endless").expect("read");
    write!(file, "half ").expect("written");
    writeln!(file, "whole").expect("written");
    assert_eq!(next(), (Etcd, "half whole".into()));
    writeln!(open_log(&log_path(directory.path(), Kubelet)).expect("opened"), "new").expect("written");
    assert_eq!(next(), (Kubelet, "new".into()));
    file.set_len(0).expect("truncated");
    writeln!(file, "rotated").expect("written");
    assert_eq!(next(), (Etcd, "rotated".into()));
}
