//! Pods: names, the way out, kubectl's ways in.

use anyhow::{Result, ensure};
use std::time::Duration;
use usernetes_e2e::{Machine, Namespace, OUTSIDE_BODY, OUTSIDE_NAME, Testbed, pod};

pub(crate) fn names_resolve(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "names-resolve")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let api = namespace.sh("main", "nslookup kubernetes.default.svc.cluster.local.")?;
    ensure!(api.contains("10.96.0.1"), "{api}");
    // The search list of the pod's resolv.conf, by the C library.
    let short = namespace.sh("main", "ping -c 1 -w 1 kubernetes.default 2>&1 | head -1")?;
    ensure!(short.contains("10.96.0.1"), "{short}");
    let outside = namespace.sh("main", &format!("nslookup -type=a {OUTSIDE_NAME}."))?;
    ensure!(outside.contains("203.0.113.7"), "{outside}");
    let nowhere = namespace.sh("main", "nslookup -type=a nowhere.example. || true")?;
    ensure!(nowhere.to_lowercase().contains("nxdomain") || nowhere.contains("can't"), "{nowhere}");
    Ok(())
}

/// The runtime's profile for pods that name none; none for those that say so.
pub(crate) fn pods_have_seccomp(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "pods-have-seccomp")?;
    let unconfined = "  securityContext: {seccompProfile: {type: Unconfined}}";
    let privileged = "    securityContext: {privileged: true}\n";
    let pods = [
        ("plain", pod("plain", "sleep 3600", ""), "2"),
        ("mapped", pod("mapped", "sleep 3600", "  hostUsers: false"), "2"),
        ("unconfined", pod("unconfined", "sleep 3600", unconfined), "0"),
        ("privileged", pod("privileged", "sleep 3600", "") + privileged, "0"),
    ];
    for (name, manifest, _) in &pods {
        namespace.apply(manifest).map_err(|error| error.context(*name))?;
    }
    for (name, _, mode) in pods {
        namespace.ready(&[&format!("pod/{name}")])?;
        let found = namespace.sh(name, "sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status")?;
        ensure!(found == mode, "Seccomp of {name} is {found:?}");
    }
    Ok(())
}

pub(crate) fn pods_reach_outside(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "pods-reach-outside")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let answer = namespace.sh("main", &format!("wget -q -O - http://{OUTSIDE_NAME}:8080/"))?;
    ensure!(answer == OUTSIDE_BODY, "{answer}");
    Ok(())
}

pub(crate) fn port_forward(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "port-forward")?;
    namespace.pod("main", "mkdir /www; echo forwarded > /www/index.html; exec httpd -f -p 8080 -h /www")?;
    namespace.ready(&["pod/main"])?;
    let forward = namespace.prepare(&["port-forward", "pod/main", "18080:8080"]).spawn()?;
    forward.line(Duration::from_secs(20), |line| line.contains("Forwarding from 127.0.0.1:18080"))?;
    host.until("the pod answers through the forwarded port", 20, |host| {
        Ok(host.fetch("127.0.0.1:18080").is_ok_and(|body| body.trim() == "forwarded"))
    })
}

/// With its service account a pod reaches the API server by name and is authenticated as that account.
pub(crate) fn api_from_a_pod(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "api-from-a-pod")?;
    let more = "  automountServiceAccountToken: true";
    namespace.apply(&pod("main", "sleep 3600", more))?;
    namespace.ready(&["pod/main"])?;
    let files = namespace.sh("main", "ls /var/run/secrets/kubernetes.io/serviceaccount")?;
    ensure!(files == "ca.crt\nnamespace\ntoken", "{files}");
    namespace.sh("main", "nc -w 5 kubernetes.default.svc 443 < /dev/null")?;
    let token = namespace.sh("main", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")?;
    let review = serde_json::json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token }
    });
    let answer = namespace.prepare(&["create", "-f", "-", "-o", "json"]).input(review.to_string()).ok()?.json()?;
    let user = &answer["status"]["user"]["username"];
    ensure!(user == "system:serviceaccount:api-from-a-pod:default", "{answer}");
    Ok(())
}
