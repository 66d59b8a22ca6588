use super::*;
use insta::assert_snapshot;
use std::time::Duration;

fn unit() -> Unit {
    Unit {
        name: "usernetes-default".into(),
        description: "Kubernetes node of cluster default (100% rootless)".into(),
        program: "/home/a b/bin/usernetes-rs".into(),
        arguments: vec!["daemon".into(), "--cluster".into(), "default".into(), "$x \"y\"".into()],
        environment: vec![("XDG_DATA_HOME".into(), "/home/a b/$data".into()), ("XDG_CACHE_HOME".into(), "/c".into())],
        start_timeout: Duration::from_mins(5),
        stop_timeout: Duration::from_secs(90),
        watchdog: Some(Duration::from_secs(30)),
        open_files: 524_288,
    }
}

#[test]
fn the_unit() {
    assert_snapshot!(unit(), @r#"
# Made by usernetes-rs; its next start writes this anew.
[Unit]
Description=Kubernetes node of cluster default (100%% rootless)
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=all
ExecStart="/home/a b/bin/usernetes-rs" daemon --cluster default "$$x \"y\""
Environment="XDG_DATA_HOME=/home/a b/$data"
Environment=XDG_CACHE_HOME=/c
Delegate=yes
KillMode=mixed
Restart=on-failure
RestartSec=2
TimeoutStartSec=300
TimeoutStopSec=90
WatchdogSec=30
LimitNOFILE=524288
TasksMax=30%
OOMPolicy=continue

[Install]
WantedBy=default.target
"#);
    assert!(!Unit { watchdog: None, ..unit() }.to_string().contains("Watchdog"));
}

/// A user manager whose systemctl writes down what it is asked, and answers `is-system-running` with `state`.
fn manager(directory: &Path, state: &str) -> UserManager {
    let script = format!(
        "#!/bin/sh\necho \"$XDG_RUNTIME_DIR $*\" >> {}/asked\ncase $2 in is-system-running) echo {state}; exit 1;; reset-failed) exit 3;; esac\n",
        directory.display()
    );
    fs::write(directory.join("systemctl"), script, Mode::Program).expect("writable");
    UserManager::with_systemctl(directory.join("systemctl"), &directory.join("config"), Path::new("/run/user/7"))
}

#[test]
fn a_manager_with_failed_units_is_one_and_none_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(manager(directory.path(), "degraded").is_responding());
    assert!(!manager(directory.path(), "offline").is_responding());
    assert!(!UserManager::with_systemctl("/nonexistent".into(), directory.path(), directory.path()).is_responding());
    assert!(UserManager::detect(directory.path(), directory.path()).is_none());
}

#[test]
fn what_systemctl_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let manager = manager(directory.path(), "running");
    let unit = unit();
    manager.install(&unit).expect("installed");
    assert_eq!(
        fs::read(directory.path().join("config/systemd/user/usernetes-default.service")).expect("there"),
        unit.to_string()
    );
    assert_eq!(manager.control_group(), None);
    manager.enable(&unit.name).expect("enabled");
    manager.start(&unit.name).expect("started");
    manager.stop(&unit.name).expect("stopped");
    manager.remove(&unit.name).expect("removed");
    assert!(!manager.is_installed(&unit.name));
    manager.remove(&unit.name).expect("nothing to do");
    manager.stop(&unit.name).expect("nothing to do");
    let asked = fs::read(directory.path().join("asked")).expect("asked");
    assert_snapshot!(asked.replace(&directory.path().display().to_string(), "~"), @r#"
/run/user/7 --user daemon-reload
/run/user/7 --user show --value --property ControlGroup
/run/user/7 --user enable ~/config/systemd/user/usernetes-default.service
/run/user/7 --user reset-failed usernetes-default.service
/run/user/7 --user start usernetes-default.service
/run/user/7 --user stop usernetes-default.service
/run/user/7 --user stop usernetes-default.service
/run/user/7 --user disable usernetes-default.service
/run/user/7 --user daemon-reload
"#);
}

#[test]
fn a_masked_unit_stays_masked() {
    let directory = tempfile::tempdir().expect("a directory");
    let manager = manager(directory.path(), "running");
    let file = manager.unit_file("usernetes-default");
    std::fs::create_dir_all(file.parent().expect("a directory")).expect("writable");
    std::os::unix::fs::symlink("/dev/null", &file).expect("writable");
    let error = manager.install(&unit()).expect_err("masked");
    assert_eq!(error.to_string(), "the unit usernetes-default.service is masked");
    assert_eq!(error.hint().as_deref(), Some("systemctl --user unmask usernetes-default.service"));
    assert!(file.is_symlink());
}

/// Says nothing where systemd is not installed: the tool is then used without units.
#[test]
fn systemd_itself_accepts_the_unit() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("usernetes-default.service");
    let unit = Unit { program: "/bin/true".into(), ..unit() };
    fs::write(&file, unit.to_string(), Mode::Public).expect("writable");
    match Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .arg(&file)
        .env("XDG_RUNTIME_DIR", directory.path())
        .output()
    {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!text.contains("usernetes-default.service:"), "{text}");
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
}
