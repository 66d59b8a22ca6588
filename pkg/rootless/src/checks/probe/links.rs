//! Whether the kernel makes the interfaces that a pod network consists of: kernels of vendors may lack them.

use super::stage::to_outcome;
use crate::network::interfaces::{Action as _, InterfaceError, with_netlink};
use crate::protocol::Outcome;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::{LinkBridge, LinkVeth, LinkVxlan};
use usernetes_host::Finding;

const CHECK: &str = "KernelModules";
/// Kinds of interfaces, which are the names of their modules as well, with the component that makes them.
const KINDS: [(&str, &str); 3] =
    [("veth", "the CNI plugin bridge"), ("bridge", "the CNI plugin bridge"), ("vxlan", "flannel")];
/// Any identifier and port of VXLAN: the interface is never up.
const VXLAN_ID: u32 = 1;
const VXLAN_PORT: u16 = 8472;

/// Makes one interface of each kind in the network namespace of this process, which ends with it.
pub(super) fn try_links() -> Vec<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let make = |kind| match &runtime {
        Ok(runtime) => runtime.block_on(make_link(kind)),
        Err(_) => Ok(()),
    };
    KINDS.iter().map(|(kind, _)| to_outcome(kind, make(kind))).collect()
}

async fn make_link(kind: &str) -> Result<(), InterfaceError> {
    let link = describe_link(kind);
    with_netlink(async |handle| {
        handle.link().add(link).execute().await.with_action(format!("make an interface of kind {kind}"))
    })
    .await
}

fn describe_link(kind: &str) -> LinkMessage {
    match kind {
        "veth" => LinkVeth::new("probe0", "probe1").build(),
        "bridge" => LinkBridge::new("probe2").build(),
        _ => LinkVxlan::new("probe3", VXLAN_ID).port(VXLAN_PORT).build(),
    }
}

/// The kinds that the kernel lacks, with the modules to load.
pub(super) fn modules_finding(outcomes: &[Outcome]) -> Finding {
    let failed = |kind: &str| outcomes.iter().find(|o| o.what == kind).and_then(|o| o.failure.clone());
    let missing: Vec<_> = KINDS.iter().filter_map(|(kind, user)| Some((*kind, *user, failed(kind)?))).collect();
    if missing.is_empty() {
        return Finding::passed(CHECK);
    }
    let messages: Vec<_> = missing.iter().map(|(kind, user, why)| format!("{why} ({user} needs {kind})")).collect();
    let modules: Vec<_> = missing.iter().map(|(kind, ..)| *kind).collect();
    let modules = modules.join(" ");
    Finding::error(
        CHECK,
        messages.join("; "),
        format!(
            "sudo modprobe -a {modules} (a kernel without these modules cannot run a node: install the distribution's kernel)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_host::Level;

    #[test]
    fn missing_modules_are_named() {
        let outcome =
            |what: &str, failure: Option<&str>| Outcome { what: what.into(), failure: failure.map(Into::into) };
        assert_eq!(modules_finding(&[outcome("veth", None), outcome("proc", Some("x"))]).level, Level::Passed);
        let finding = modules_finding(&[outcome("veth", Some("cannot make an interface of kind veth: not supported"))]);
        insta::assert_snapshot!(finding.message, @"cannot make an interface of kind veth: not supported (the CNI plugin bridge needs veth)");
        assert!(finding.hint.expect("a hint").contains("modprobe -a veth"));
    }
}
