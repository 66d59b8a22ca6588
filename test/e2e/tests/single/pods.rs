//! Pods: names, the way out, kubectl's ways in.

use anyhow::{Result, ensure};
use std::time::Duration;
use usernetes_e2e::{OUTSIDE_BODY, OUTSIDE_NAME, Rig, Space, pod};

pub(crate) fn names_resolve(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "names-resolve")?;
    space.pod("main", "sleep 3600")?;
    space.ready(&["pod/main"])?;
    let api = space.sh("main", "nslookup kubernetes.default.svc.cluster.local.")?;
    ensure!(api.contains("10.96.0.1"), "{api}");
    // The search list of the pod's resolv.conf, by the C library.
    let short = space.sh("main", "ping -c 1 -w 1 kubernetes.default 2>&1 | head -1")?;
    ensure!(short.contains("10.96.0.1"), "{short}");
    let outside = space.sh("main", &format!("nslookup -type=a {OUTSIDE_NAME}."))?;
    ensure!(outside.contains("203.0.113.7"), "{outside}");
    let nowhere = space.sh("main", "nslookup -type=a nowhere.example. || true")?;
    ensure!(nowhere.to_lowercase().contains("nxdomain") || nowhere.contains("can't"), "{nowhere}");
    Ok(())
}

pub(crate) fn pods_reach_outside(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "pods-reach-outside")?;
    space.pod("main", "sleep 3600")?;
    space.ready(&["pod/main"])?;
    let answer = space.sh("main", &format!("wget -q -O - http://{OUTSIDE_NAME}:8080/"))?;
    ensure!(answer == OUTSIDE_BODY, "{answer}");
    Ok(())
}

pub(crate) fn logs_exec_and_cp(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let space = Space::new(host, "logs-exec-and-cp")?;
    space.pod("main", "echo first line; echo second line >&2; sleep 3600")?;
    space.ready(&["pod/main"])?;
    let logs = space.kubectl(&["logs", "main"])?;
    ensure!(logs.text().lines().count() == 2, "{logs}");
    space.prepare(&["exec", "main", "--", "sh", "-c", "exit 9"]).output()?.exits(9)?;
    let input = space.prepare(&["exec", "-i", "main", "--", "sha256sum"]).input(vec![7; 1 << 20]).ok()?;
    ensure!(input.text().len() == 67, "{input}");
    host.sh("head -c 3000000 /dev/urandom > ~/sent").ok()?;
    space.kubectl(&["cp", "/home/alice/sent", "main:/tmp/there"])?;
    space.kubectl(&["cp", "main:/tmp/there", "/home/alice/returned"])?;
    host.sh("cmp ~/sent ~/returned; rm ~/sent ~/returned").ok()?;
    Ok(())
}

pub(crate) fn port_forward(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let space = Space::new(host, "port-forward")?;
    space.pod("main", "mkdir /www; echo forwarded > /www/index.html; exec httpd -f -p 8080 -h /www")?;
    space.ready(&["pod/main"])?;
    let forward = space.prepare(&["port-forward", "pod/main", "18080:8080"]).spawn()?;
    forward.line(Duration::from_secs(20), |line| line.contains("Forwarding from 127.0.0.1:18080"))?;
    host.until("the pod answers through the forwarded port", 20, |host| {
        Ok(host.fetch("127.0.0.1:18080").is_ok_and(|body| body.trim() == "forwarded"))
    })
}

pub(crate) fn killed_container_restarts(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "killed-container-restarts")?;
    // The shell is PID 1 of the pod and cannot be killed from inside; its end follows its child's.
    space.pod("main", "sleep 3600 & echo $! > /pid; wait; exit 137")?;
    space.ready(&["pod/main"])?;
    space.kill("main")?;
    space.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", &["pod/main"])?;
    space.ready(&["pod/main"])?;
    let code = space.field("pod/main", ".status.containerStatuses[0].lastState.terminated.exitCode")?;
    ensure!(code == "137", "ended with {code}");
    Ok(())
}

/// With its service account a pod reaches the API server by name, and is who it is.
pub(crate) fn api_from_a_pod(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "api-from-a-pod")?;
    let more = "  automountServiceAccountToken: true";
    space.apply(&pod("main", "sleep 3600", more))?;
    space.ready(&["pod/main"])?;
    let files = space.sh("main", "ls /var/run/secrets/kubernetes.io/serviceaccount")?;
    ensure!(files == "ca.crt\nnamespace\ntoken", "{files}");
    space.sh("main", "nc -w 5 kubernetes.default.svc 443 < /dev/null")?;
    let token = space.sh("main", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")?;
    let review = serde_json::json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token }
    });
    let answer = space.prepare(&["create", "-f", "-", "-o", "json"]).input(review.to_string()).ok()?.json()?;
    let user = &answer["status"]["user"]["username"];
    ensure!(user == "system:serviceaccount:api-from-a-pod:default", "{answer}");
    Ok(())
}
