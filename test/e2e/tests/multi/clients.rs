//! The client address that a pod sees for connections from outside, and its use in a Service.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use usernetes_e2e::{CLIENTS, Host, Machine, Namespace, SWITCH, Testbed};

use crate::one_on_every_node;

/// A server of a pod that answers with the name of the pod and the address of the client.
const WHO: &str = "mkdir -p /www/cgi-bin
printf '#!/bin/sh\\nprintf \"Status: 200 OK\\\\r\\\\n\\\\r\\\\n$(hostname) $REMOTE_ADDR\"\\n' > /www/cgi-bin/who
chmod +x /www/cgi-bin/who; exec httpd -f -p 8080 -h /www";

/// The pod that answered, and the client address that it saw.
fn who(testbed: &Testbed, client: &str, at: &str) -> Result<(String, String)> {
    let (status, body) = testbed.ask_as(client, at, "/cgi-bin/who")?;
    ensure!(status == "200", "{at} answers {status}");
    pod_and_client(&body)
}

/// An IPv4 client of a server that listens on IPv6 has an address of both.
fn pod_and_client(body: &str) -> Result<(String, String)> {
    let (pod, seen) = body.trim().split_once(' ').with_context(|| format!("the answer is {body:?}"))?;
    let seen: IpAddr = seen.trim_matches(['[', ']']).parse()?;
    Ok((pod.to_owned(), seen.to_canonical().to_string()))
}

fn at(host: &Host, port: u16) -> String {
    SocketAddr::new(host.address().parse().expect("an address"), port).to_string()
}

/// `Local`: the client's address, and nothing where no pod is. `Cluster`: an answer everywhere. A hostPort: as `Local`.
pub(crate) fn client_addresses(testbed: &Testbed) -> Result<()> {
    let [first, with, without] = testbed.hosts() else { anyhow::bail!("not three hosts") };
    let namespace = Namespace::new(first, "clients")?;
    let more = format!("  nodeSelector: {{kubernetes.io/hostname: {}}}", with.name());
    let pod = usernetes_e2e::pod("who", WHO, &more);
    namespace.apply(&format!("{pod}    ports: [{{containerPort: 8080, hostPort: 30095}}]\n"))?;
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 30096
  selector: {app: who}
  ports: [{port: 8095, targetPort: 8080, nodePort: 30097}]
---
apiVersion: v1
kind: Service
metadata: {name: cluster}
spec: {type: NodePort, selector: {app: who}, ports: [{port: 80, targetPort: 8080, nodePort: 30098}]}
",
    )?;
    namespace.ready(&["pod/who"])?;
    for port in [30095, 30097, 8095] {
        for client in [SWITCH, CLIENTS[0]] {
            let at = at(with, port);
            first.until(&format!("{at} answers {client}"), 30, |_| Ok(who(testbed, client, &at).is_ok()))?;
            let (_, seen) = who(testbed, client, &at)?;
            ensure!(seen == client, "{at} sees {seen}, not {client}");
        }
    }
    let (_, across) = first.ask(&at(with, 30095), "/cgi-bin/who")?;
    let (_, across) = pod_and_client(&across)?;
    ensure!(across == first.address(), "the hostPort sees {across}, not {}", first.address());
    for host in testbed.hosts() {
        first.until(&format!("{} answers", at(host, 30098)), 30, |_| {
            Ok(who(testbed, SWITCH, &at(host, 30098)).is_ok())
        })?;
    }
    health(first, with, "200", 30096)?;
    health(first, without, "503", 30096)?;
    // The host itself is no stranger: kube-proxy serves a node's own programs wherever the pod is.
    ensure!(without.ask(&at(without, 30097), "/cgi-bin/who").is_ok(), "the host itself is not served");
    let refused = who(testbed, SWITCH, &at(without, 30097));
    ensure!(refused.is_err(), "a host without a pod answers: {refused:?}");
    Ok(())
}

fn health(from: &Host, host: &Host, code: &str, port: u16) -> Result<()> {
    from.until(&format!("{} says {code}", at(host, port)), 30, |from| {
        Ok(from.ask(&at(host, port), "/healthz").is_ok_and(|(status, _)| status == code))
    })
}

/// Every client has a pod of its own choice, and keeps it; not all have the same.
pub(crate) fn session_affinity(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "affinity")?;
    let pods = one_on_every_node(&namespace)?;
    for (pod, _) in &pods {
        namespace.sh(pod, &WHO.replace("exec httpd -f", "httpd"))?;
    }
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: sticky}
spec:
  type: NodePort
  sessionAffinity: ClientIP
  selector: {app: client}
  ports: [{port: 80, targetPort: 8080, nodePort: 30099}]
",
    )?;
    let address = at(testbed.host(), 30099);
    testbed.host().until(&format!("{address} answers"), 30, |_| Ok(who(testbed, SWITCH, &address).is_ok()))?;
    let mut chosen = BTreeMap::new();
    for _ in 0..3 {
        for client in CLIENTS {
            let (pod, _) = who(testbed, client, &address)?;
            let first = chosen.entry(client).or_insert_with(|| pod.clone());
            ensure!(*first == pod, "{client} had {first}, and now {pod}");
        }
    }
    let mut different: Vec<_> = chosen.values().collect();
    different.sort();
    different.dedup();
    ensure!(different.len() > 1, "all clients have the same pod: {chosen:?}");
    Ok(())
}
