//! The stage itself: hosts are apart from each other and from the machine, and leave nothing.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use usernetes_e2e::{
    Machine, OUTSIDE_BODY, OUTSIDE_NAME, Requirement, SWITCH, Scenario, Testbed, main as suite, plan, report,
};

fn main() -> ExitCode {
    let needs = &[Requirement::Hosts];
    let scenarios = vec![
        Scenario::own("user_is_ordinary", 1, needs, user_is_ordinary),
        Scenario::own("machine_is_untouched", 1, needs, machine_is_untouched),
        Scenario::own("hosts_reach_each_other_and_the_outside", 2, needs, hosts_reach_each_other_and_the_outside),
        Scenario::own("tun_is_usable_only_when_allowed", 1, needs, tun_is_usable_only_when_allowed),
        Scenario::own("subordinate_ids_map", 1, needs, subordinate_ids_map),
        Scenario::own("slirp4netns_works", 1, needs, slirp4netns_works),
        Scenario::own("commands_are_timed_and_signalled", 1, needs, commands_are_timed_and_signalled),
        Scenario::own(
            "bundle_is_readable",
            1,
            &[Requirement::Hosts, Requirement::Program, Requirement::Bundle],
            bundle_is_readable,
        ),
        Scenario::own("a_dropped_host_leaves_nothing", 0, needs, a_dropped_host_leaves_nothing),
        Scenario::own("a_killed_run_is_swept", 1, needs, a_killed_run_is_swept),
    ];
    suite("harness", scenarios, None)
}

fn user_is_ordinary(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let id = host
        .sh("id -un; id -u; pwd; hostname; grep CapEff /proc/self/status; stat -c %a:%U $XDG_RUNTIME_DIR ~")
        .ok()?;
    let expected =
        format!("alice\n{}\n/home/alice\nhost1\nCapEff:\t0000000000000000\n700:alice\n700:alice", host.uid());
    ensure!(id.text() == expected, "{id}");
    host.sh("cat /etc/shadow").output()?.exits(1)?.says(&["permission denied"])?;
    Ok(())
}

fn machine_is_untouched(testbed: &Testbed) -> Result<()> {
    let before = fs::read_to_string("/proc/self/mountinfo")?;
    let host = testbed.host();
    host.admin("echo changed > /etc/hostname; mount -t tmpfs tmpfs /mnt; hostname elsewhere; : > /etc/subuid")?;
    host.sh("touch /tmp/only-here").ok()?;
    ensure!(fs::read_to_string("/proc/self/mountinfo")? == before, "mounts of the machine changed");
    ensure!(!fs::read_to_string("/etc/passwd")?.contains("alice"), "the user is known to the machine");
    ensure!(!PathBuf::from("/tmp/only-here").exists(), "/tmp is shared");
    ensure!(fs::read_to_string("/etc/hostname").unwrap_or_default().trim() != "changed", "/etc is shared");
    Ok(())
}

fn hosts_reach_each_other_and_the_outside(testbed: &Testbed) -> Result<()> {
    let [alice, bob] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    for host in [alice, bob] {
        ensure!(host.fetch("203.0.113.7:8080")? == OUTSIDE_BODY);
        let name = host.sh(&format!("getent ahostsv4 {OUTSIDE_NAME}")).ok()?;
        ensure!(name.text().starts_with("203.0.113.7"), "{name}");
        host.sh("getent hosts nowhere.example").output()?.exits(2)?;
    }
    let listener = alice.listen(&format!("{}:7000", alice.address()))?;
    ensure!(bob.reaches(&format!("{}:7000", alice.address()))?, "bob does not reach alice");
    testbed.unplug(bob)?;
    ensure!(!bob.reaches(&format!("{SWITCH}:53"))?, "an unplugged host reaches the switch");
    testbed.plug(bob)?;
    ensure!(bob.reaches(&format!("{}:7000", alice.address()))?, "bob does not reach alice after plugging in");
    drop(listener);
    let users = (alice.sh("ls /home").ok()?, bob.sh("ls /home").ok()?);
    ensure!(users.0.text() == "alice" && users.1.text() == "bob", "{users:?}");
    Ok(())
}

fn tun_is_usable_only_when_allowed(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    // Without a request, reading a fresh tun descriptor is an error of its state, not of its permission.
    host.sh("cat /dev/net/tun").output()?.exits(1)?.says(&["file descriptor in bad state"])?;
    host.admin("chmod 600 /dev/net/tun")?;
    host.sh("cat /dev/net/tun").output()?.exits(1)?.says(&["permission denied"])?;
    Ok(())
}

fn subordinate_ids_map(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let script = "mkdir d; unshare --user --map-root-user --map-auto --mount --net sh -euc '
        chown 5:5 d
        mount -t tmpfs tmpfs /mnt
        mount -t sysfs sysfs /sys
        mkdir /mnt/upper /mnt/work /mnt/etc
        mount -t overlay -o userxattr,lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/etc
        echo x > /mnt/etc/new
        ls /mnt/etc/new'
        stat -c %u d";
    let output = host.sh(script).ok()?.says(&["/mnt/etc/new"])?;
    let owner: u32 = output.text().lines().last().unwrap_or_default().parse()?;
    ensure!(host.is_subordinate(owner), "{output}");
    host.sh("unshare --user --map-root-user --pid --fork --mount mount -t proc p /proc").ok()?;
    Ok(())
}

/// What every node needs, without the product: a tap, with slirp4netns in its sandbox.
fn slirp4netns_works(testbed: &Testbed) -> Result<()> {
    let script = "mkfifo made up
        unshare --user --map-root-user --map-auto --net --mount sh -c 'echo > made; read _ < up; ip -br addr show tap0' &
        read _ < made
        slirp4netns --configure --enable-sandbox --disable-host-loopback --ready-fd=3 $! tap0 3> up 2> log &
        wait %1 || { cat log; exit 1; }";
    testbed.host().sh(script).limit(20).ok()?.says(&["10.0.2.100"])?;
    Ok(())
}

fn commands_are_timed_and_signalled(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let late = host.sh("sleep 1000 & sleep 1000").spawn()?.wait(Duration::from_millis(300))?;
    ensure!(late.late && late.code().is_none(), "{late}");
    let trap = host.sh("trap 'echo trapped; exit 7' TERM; echo started; while :; do sleep 0.1; done").spawn()?;
    trap.line(Duration::from_secs(5), |line| line == "started")?;
    trap.signal(Signal::SIGTERM)?;
    trap.wait(Duration::from_secs(5))?.exits(7)?.says(&["trapped"])?;
    let held = host.sh("setsid sleep 1000 & echo done").output()?;
    ensure!(held.held && held.code() == Some(0), "{held}");
    ensure!(host.processes()?.iter().any(|p| p.program() == "sleep"), "the detached process is gone");
    let echo = host.run(&["cat"]).input("from a pipe").ok()?;
    ensure!(echo.text() == "from a pipe", "{echo}");
    Ok(())
}

fn bundle_is_readable(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let unreadable = host.sh("find /srv/bundle ! -readable").ok()?;
    ensure!(unreadable.text().is_empty(), "{unreadable}");
    host.sh("test -s /srv/bundle/bundle.yaml; /srv/bundle/bin/kubectl version --client").ok()?;
    host.sh("touch /srv/bundle/new").root().output()?.exits(1)?.says(&["read-only"])?;
    Ok(())
}

fn a_dropped_host_leaves_nothing(_: &Testbed) -> Result<()> {
    let testbed = Testbed::new(1)?;
    let host = testbed.host();
    host.sh("unshare --user --map-root-user --map-auto sh -c 'mkdir a; touch a/b; chown 7:7 a a/b; chmod 0 a'").ok()?;
    host.sh("setsid sleep 1000 >/dev/null 2>&1 &").ok()?;
    host.sh("unshare --user --map-root-user --pid --fork setsid sleep 1000 >/dev/null 2>&1 &").ok()?;
    let processes = host.processes()?;
    ensure!(!processes.is_empty(), "nothing was left running");
    let home = host.in_home("");
    ensure!(home.exists());
    drop(testbed);
    ensure!(processes.iter().all(|p| !p.lives()), "{processes:?} outlive their host");
    ensure!(!home.exists(), "{} outlives its host", home.display());
    Ok(())
}

/// This binary, started again, is killed in the middle of its first scenario; the next run removes what it left.
fn a_killed_run_is_swept(testbed: &Testbed) -> Result<()> {
    if std::env::var_os("U7S_E2E_DIE").is_some() {
        testbed.host().sh("setsid sleep 4242 >/dev/null 2>&1 & mkdir kept").ok()?;
        fs::write(std::env::var("U7S_E2E_DIE")?, testbed.host().in_home("kept").to_string_lossy().as_bytes())?;
        nix::sys::signal::raise(Signal::SIGKILL)?;
    }
    let note = testbed.host().in_home("note");
    let again = |filter: &str, die: bool| -> Result<std::process::ExitStatus> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["--exact", filter, "-q"]).stdout(std::process::Stdio::null());
        command.env_remove(plan::ONLY).env_remove(report::REPORT);
        if die {
            command.env("U7S_E2E_DIE", &note);
        }
        Ok(command.status()?)
    };
    ensure!(!again("a_killed_run_is_swept", true)?.success(), "the run was not killed");
    let kept = PathBuf::from(fs::read_to_string(&note)?);
    ensure!(kept.exists(), "a killed run cannot have removed {}", kept.display());
    ensure!(again("user_is_ordinary", false)?.success(), "the next run fails");
    ensure!(!kept.exists(), "{} was not swept", kept.display());
    Ok(())
}
