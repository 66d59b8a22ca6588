//! Ports of Services and pods on the hosts: as they come and go, and where one cannot be had.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use usernetes_e2e::{Host, Machine, Namespace, Testbed, pod};

/// One of so many measurements has to be short: a machine that does other things only makes them longer.
const TRIES: usize = 3;

/// Serves a word at port 8080 of a pod.
fn serving(word: &str) -> String {
    format!("mkdir /www; echo {word} > /www/index.html; exec httpd -f -p 8080 -h /www")
}

fn answers(from: &Host, address: &str, word: &str) -> Result<()> {
    from.until(&format!("{address} answers {word:?}"), 15, |from| {
        Ok(from.fetch(address).is_ok_and(|body| body.trim() == word))
    })
}

/// Waits for an Event on a Service.
fn event(namespace: &Namespace, host: &Host, service: &str, what: &str) -> Result<()> {
    let selector = format!("involvedObject.name={service}");
    host.until(&format!("an Event on {service} says {what:?}"), 10, |_| {
        let events = namespace.kubectl(&["get", "events", "--field-selector", &selector, "-o", "yaml"])?;
        // Long lines are broken by YAML.
        Ok(events.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(what))
    })
}

/// Ports that another program of the host has, and ports for administrators: reported at the Service, and published as
/// soon as they are free.
pub(crate) fn load_balancer_on_every_host(testbed: &Testbed) -> Result<()> {
    const PORT: u16 = 8090;
    let namespace = Namespace::new(testbed.host(), "balanced")?;
    let worker = testbed.hosts().get(1).context("no worker")?;
    let taken = worker.listen(&format!("{}:{PORT}", worker.address()))?;
    namespace.apply(&pod("web", &serving("balanced"), "  nodeSelector: {kubernetes.io/hostname: host2}"))?;
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: high, port: 8090, targetPort: 8080}, {name: low, port: 81, targetPort: 8080}]}
",
    )?;
    namespace.ready(&["pod/web"])?;
    let addresses = testbed.hosts().iter().map(Host::address).collect::<Vec<_>>();
    testbed.host().until("the status names every host", 10, |_| {
        let status = namespace.field("service/web", ".status.loadBalancer.ingress[*].ip")?;
        Ok(addresses.iter().all(|address| status.contains(address)))
    })?;
    for what in ["is in use", "net.ipv4.ip_unprivileged_port_start=81", "--privileged-port-offset"] {
        event(&namespace, testbed.host(), "web", what)?;
    }
    worker.tool(&["status"]).output()?.says(&["in use", "ip_unprivileged_port_start"])?;
    drop(taken);
    for host in testbed.hosts() {
        answers(testbed.host(), &format!("{}:{PORT}", host.address()), "balanced")?;
    }
    Ok(())
}

/// The younger one goes without until the older one is gone, and both places where people look say so.
pub(crate) fn two_services_want_one_port(testbed: &Testbed) -> Result<()> {
    let (first, worker) = (testbed.host(), testbed.hosts().get(1).context("no worker")?);
    let namespace = Namespace::new(first, "wanted-twice")?;
    for name in ["older", "younger"] {
        namespace.apply(&pod(name, &serving(name), ""))?;
        namespace.apply(&format!(
            "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: 8093, targetPort: 8080}}]}}
"
        ))?;
    }
    let said = "load balancer port 8093/tcp is not published: Service wanted-twice/older has it";
    event(&namespace, first, "younger", said)?;
    for host in [first, worker] {
        host.tool(&["status"]).output()?.says(&[said])?;
    }
    namespace.ready(&["pod/older", "pod/younger"])?;
    let address = format!("{}:8093", worker.address());
    answers(first, &address, "older")?;
    ensure!(
        namespace.field("service/younger", ".status.loadBalancer.ingress")?.is_empty(),
        "the younger one has addresses"
    );
    namespace.kubectl(&["delete", "service", "older"])?;
    answers(first, &address, "younger")
}

/// With `ports.privilegedPortOffset`: another port takes the place of the administrator's.
pub(crate) fn low_ports_are_shifted(testbed: &Testbed) -> Result<()> {
    let (first, worker) = (testbed.host(), testbed.hosts().last().context("no worker")?);
    worker.tool(&["start", "--privileged-port-offset", "8000"]).output()?.exits(1)?.says(&["the node is running"])?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--privileged-port-offset", "80"]).output()?.exits(3)?.says(&["1024 to 64512"])?;
    worker.tool(&["start", "--wait", "--privileged-port-offset", "8000"]).ok()?;
    let namespace = Namespace::new(first, "shifted")?;
    namespace.apply(&pod("low", &serving("low"), ""))?;
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: low}
spec: {type: LoadBalancer, selector: {app: low}, ports: [{port: 82, targetPort: 8080}]}
",
    )?;
    namespace.ready(&["pod/low"])?;
    answers(first, &format!("{}:8082", worker.address()), "low")?;
    let said = "load balancer port 82/tcp is published on host port 8082";
    event(&namespace, first, "low", said)?;
    worker.tool(&["status"]).output()?.says(&[said])?;
    drop(namespace);
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--wait", "--privileged-port-offset", "0"]).ok().map(drop)
}

/// From the moment at which something is made, or gone, to the moment at which the hosts show it.
pub(crate) fn ports_follow_within_a_second(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "follow")?;
    let service = |kind: &str, ports: &str| {
        format!(
            "apiVersion: v1
kind: Service
metadata: {{name: late}}
spec: {{type: {kind}, selector: {{app: nobody}}, ports: [{ports}]}}
"
        )
    };
    let late = pod("late", "sleep 3600", "  nodeName: host2") + "    ports: [{containerPort: 80, hostPort: 30092}]\n";
    let at = |port: u16| testbed.hosts().iter().map(|host| format!("{}:{port}", host.address())).collect::<Vec<_>>();
    for (object, manifest, addresses) in [
        ("service/late", service("NodePort", "{port: 80, nodePort: 30091}"), at(30091)),
        ("service/late", service("LoadBalancer", "{port: 8094}"), at(8094)),
        ("pod/late", late, at(30092)[1..2].to_vec()),
    ] {
        let mut times = Vec::new();
        while !times.iter().any(|time| *time < Duration::from_secs(1)) {
            ensure!(times.len() < TRIES, "{object} was made or gone on the hosts after {times:?}");
            namespace.apply(&manifest)?;
            let made = time_until(testbed, &addresses, true)?;
            namespace.kubectl(&["delete", object])?;
            times.push(made.max(time_until(testbed, &addresses, false)?));
        }
    }
    Ok(())
}

/// How long it takes until all addresses accept connections, or none does.
fn time_until(testbed: &Testbed, addresses: &[String], open: bool) -> Result<Duration> {
    let start = Instant::now();
    for address in addresses {
        while testbed.host().reaches(address)? != open {
            let change = if open { "made" } else { "gone" };
            ensure!(start.elapsed() < Duration::from_secs(30), "{address} 30 seconds after it was {change}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(start.elapsed())
}
