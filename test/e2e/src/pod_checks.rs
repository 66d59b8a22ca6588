//! What pods can do with any runtime.

use anyhow::{Result, ensure};

use crate::kubernetes::Namespace;
use crate::testbed::Testbed;
use crate::testbed::machine::Machine;

/// kubectl's ways into a pod: its log, a command in it, files in both directions.
pub fn logs_exec_and_cp(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "logs-exec-and-cp")?;
    namespace.pod("main", "echo first line; echo second line >&2; sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let logs = namespace.kubectl(&["logs", "main"])?;
    ensure!(logs.text().lines().count() == 2, "{logs}");
    namespace.prepare(&["exec", "main", "--", "sh", "-c", "exit 9"]).output()?.exits(9)?;
    let input = namespace.prepare(&["exec", "-i", "main", "--", "sha256sum"]).input(vec![7; 1 << 20]).ok()?;
    ensure!(input.text().len() == 67, "{input}");
    host.sh("head -c 3000000 /dev/urandom > ~/sent").ok()?;
    namespace.kubectl(&["cp", "/home/alice/sent", "main:/tmp/there"])?;
    namespace.kubectl(&["cp", "main:/tmp/there", "/home/alice/returned"])?;
    host.sh("cmp ~/sent ~/returned; rm ~/sent ~/returned").ok()?;
    Ok(())
}

/// A container that is killed starts again, and Kubernetes counts it.
pub fn killed_container_restarts(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "killed-container-restarts")?;
    // The shell is PID 1 of the pod and cannot be killed from inside; its end follows its child's.
    namespace.pod("main", "sleep 3600 & echo $! > /pid; wait; exit 137")?;
    namespace.ready(&["pod/main"])?;
    namespace.kill("main")?;
    namespace.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", &["pod/main"])?;
    namespace.ready(&["pod/main"])?;
    let code = namespace.field("pod/main", ".status.containerStatuses[0].lastState.terminated.exitCode")?;
    ensure!(code == "137", "ended with {code}");
    Ok(())
}
