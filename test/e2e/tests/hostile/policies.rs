//! NetworkPolicies, which flannel does not enforce.

use anyhow::Result;
use usernetes_e2e::{Machine, Namespace, Testbed};

/// Row 18: applying one warns at once, and an Event stays.
pub(crate) fn network_policies_warn(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let namespace = Namespace::new(first, "policies")?;
    let deny_all = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";
    let applied = namespace.prepare(&["apply", "-f", "-"]).input(deny_all).ok()?;
    applied.says(&["Warning", "this NetworkPolicy has no effect", "deny-all created"])?;
    first.until("an Event on the policy", 30, |_| {
        let events = namespace.kubectl(&["get", "events", "--field-selector", "involvedObject.name=deny-all"])?;
        Ok(events.text().contains("NetworkPolicyNotEnforced"))
    })
}
