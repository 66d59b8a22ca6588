//! Services that ask for ports and addresses of the node itself, or for more ports than their share.

use super::{Policy, Tenant, web};
use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

/// A Service on every host, without node ports.
fn balanced(name: &str, ports: &[u16]) -> String {
    let port = |port| format!("  - {{name: p{port}, port: {port}, targetPort: 8080}}");
    let ports = ports.iter().map(port).collect::<Vec<_>>().join("\n");
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  selector: {{app: taker}}
  ports:
{ports}
"
    )
}

/// kube-proxy would send what every node sends to the API server to the Service instead.
pub(crate) fn external_ips_are_refused(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let tenant = Tenant::new(first, "external")?;
    let _policy = Policy::deleted(first)?;
    for (address, port) in [(first.address(), 6443), (worker.address(), 10250), ("203.0.113.9".to_owned(), 80)] {
        let service = format!(
            "apiVersion: v1
kind: Service
metadata: {{name: taker}}
spec:
  externalIPs: [{address}]
  selector: {{app: taker}}
  ports: [{{port: {port}}}]
"
        );
        tenant.apply(&service).output()?.exits(1)?.says(&["externalIPs"])?;
    }
    Ok(())
}

/// The bundle's port was not reserved once: joining hosts took a tenant's programs for the cluster's.
pub(crate) fn load_balancers_get_no_port_of_a_node(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let tenant = Tenant::new(first, "balanced")?;
    let ports = [2379, 2381, 6443, 10248, 10250, 10256, 10257, 10261];
    for port in ports {
        let refused = tenant.apply(&balanced("taker", &[8081, port])).output()?.exits(1)?;
        refused.says(&["usernetes-reserved-ports", &format!("TCP/{port} is reserved for the node itself")])?;
    }
    // The nodes do not depend on the policy.
    let policy = Policy::deleted(first)?;
    tenant.namespace.apply(&web("taker", &first.name(), ""))?;
    tenant.namespace.ready(&["pod/taker"])?;
    tenant.apply(&balanced("taker", &ports)).ok()?;
    for port in ports {
        says(first, &tenant.namespace, &format!("port {port}/tcp is not published: the node itself needs it"))?;
    }
    let bundle = format!("/api/v1/nodes/http:{}:10261/proxy/bundle.yaml", first.name());
    first.kubectl(&["get", "--raw", &bundle])?.says(&["kind: Bundle"])?;
    ensure!(tenant.namespace.field("service/taker", ".status.loadBalancer")? == "{}", "it has an address");
    drop(policy);
    // An object from before the policy can be changed in other ways, and deleted.
    tenant.namespace.kubectl(&["label", "service", "taker", "a=b"])?;
    tenant.namespace.kubectl(&["delete", "service", "taker"]).map(drop)
}

/// On 127.0.0.1 a Service could stand in for a server of the host, and ports of outgoing connections are everybody's.
pub(crate) fn load_balancers_leave_the_host_its_ports(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let tenant = Tenant::new(first, "greedy")?;
    tenant.apply(&balanced("database", &[5432, 40000])).ok()?;
    first.until("the port is published at HOST_IP", 30, |_| listens(first, &format!("{}:5432", first.address())))?;
    ensure!(!listens(first, "127.0.0.1:5432")?, "it is published on 127.0.0.1");
    says(first, &tenant.namespace, "port 40000/tcp is not published: the host's outgoing connections use")?;
    let many: Vec<u16> = (20000..20080).collect();
    tenant.apply(&balanced("many", &many)).ok()?;
    says(first, &tenant.namespace, "this host publishes 64 ports of this namespace; raise ports.maxPerNamespace")?;
    let listening = first.admin("ss -Hltn")?;
    let count = listening.text().lines().filter(|line| line.contains(":200")).count();
    ensure!(count <= 64, "{count} ports are published");
    ensure!(!listens(first, ":40000")?, "a port of outgoing connections is published");
    Ok(())
}

fn listens(host: &Host, address: &str) -> Result<bool> {
    Ok(host.admin("ss -Hltn")?.text().split_whitespace().any(|word| word.ends_with(address)))
}

fn says(first: &Host, namespace: &Namespace<'_>, text: &str) -> Result<()> {
    first.until(&format!("an Event says {text:?}"), 30, |_| {
        Ok(namespace.kubectl(&["get", "events", "-o", "jsonpath={..message}"])?.text().contains(text))
    })
}
