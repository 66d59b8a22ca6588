//! Every check of the host, from all libraries, and what is ignored of it.

use crate::daemon;
use crate::daemon::pod_ids::PodIds;
use crate::errors::hints;
use crate::session::Session;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use usernetes_api::{CgroupSelection, Config, OciRuntime, Protocol, constants};
use usernetes_host::systemd::UserManager;
use usernetes_host::{Finding, Level, checks as host};
use usernetes_node::bundle::{self, FROM_PEER_HINT, Skew, skew};
use usernetes_node::{Cri, Role};
use usernetes_rootless::SubIds;

/// All checks, with those that the configuration ignores turned into warnings.
pub(crate) fn all(session: &Session, config: &Config) -> Vec<Finding> {
    let role = if config.join.is_some() { Role::Worker } else { Role::ControlPlane };
    let mut findings = usernetes_rootless::checks::checks(&session.paths.state(), config.rootless.network.driver);
    findings.extend(pod_ids(config));
    if config.rootless.oci_runtime == OciRuntime::Crun {
        findings.push(usernetes_node::checks::crun());
    }
    findings.extend(crio(config));
    findings.extend(usernetes_node::checks::run(role, config.node_name(), &session.paths));
    findings.push(host::state_dir(&session.paths.state()));
    let manager = daemon::process::manager(&session.paths);
    findings.extend(cgroups(config.rootless.cgroups, manager.as_ref()));
    findings.push(host::user_manager(manager.is_some()));
    findings.push(host::linger());
    findings.push(host::http_proxy(&destinations(config)));
    findings.push(host::host_subnets(&[
        ("networking.podSubnet", &config.cluster.networking.pod_subnet),
        ("networking.serviceSubnet", &config.cluster.networking.service_subnet),
    ]));
    if let Some(host_ip) = config.rootless.host_ip {
        let address = host::host_ip(host_ip);
        // The ports of a running node are its own, and no port is free on an address of others.
        if address.level == Level::Passed && !daemon::process::is_alive(&session.paths).unwrap_or(false) {
            findings.extend(ports(config, host_ip));
        }
        findings.push(address);
    }
    findings.push(bundle(session, config));
    let registration = config.join.as_ref().map_or(&config.init.node_registration, |join| &join.node_registration);
    ignore(&mut findings, &registration.ignore_preflight_errors);
    findings
}

/// Nothing where ids cannot be found out, or are too few for the node itself: another check says that.
fn pod_ids(config: &Config) -> Option<Finding> {
    let ids = SubIds::current().ok().filter(SubIds::suffice)?;
    Some(PodIds::new(&ids, config).finding(&ids))
}

/// Nothing to say to who wants containerd.
fn crio(config: &Config) -> Option<Finding> {
    const CHECK: &str = "Crio";
    match Cri::find(config.container_runtime()) {
        Ok(Cri::Containerd) => None,
        Ok(Cri::CriO(_)) => Some(Finding::passed(CHECK)),
        Err(missing) => Some(Finding::error(CHECK, missing.to_string(), missing.cure())),
    }
}

/// Nothing to say to who wants none; an error for who wants nothing else.
fn cgroups(wanted: CgroupSelection, manager: Option<&UserManager>) -> Option<Finding> {
    let group = manager.and_then(UserManager::control_group);
    let finding = || usernetes_rootless::checks::cgroups(group.as_deref());
    match wanted {
        CgroupSelection::None => None,
        CgroupSelection::Auto => Some(finding()),
        CgroupSelection::Delegated => {
            let mut finding = finding();
            if finding.level == Level::Warning {
                finding.level = Level::Error;
            }
            Some(finding)
        }
    }
}

fn ports(config: &Config, host_ip: IpAddr) -> Vec<Finding> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut wanted = vec![
        (Protocol::Tcp, config.rootless.ports.kubelet, Some("--kubelet-port")),
        // Who joins cannot choose it.
        (Protocol::Udp, config.rootless.ports.vxlan, config.join.is_none().then_some("--vxlan-port")),
    ];
    if config.join.is_none() {
        let port = config.init.local_api_endpoint.bind_port.unwrap_or(constants::API_SERVER_PORT);
        wanted.push((Protocol::Tcp, port, Some("--apiserver-bind-port")));
    }
    let check = |(protocol, port, flag): (Protocol, u16, Option<&str>)| {
        let addresses = [SocketAddr::new(host_ip, port), SocketAddr::new(loopback, port)];
        host::port(&addresses, protocol == Protocol::Udp, flag)
    };
    wanted.into_iter().map(check).collect()
}

fn bundle(session: &Session, config: &Config) -> Finding {
    if config.rootless.bundle_from_peer {
        // Fetched later, when everything else is known to be well.
        return Finding::passed("Bundle");
    }
    match bundle::find(config, &session.paths.bundles()).map_err(anyhow::Error::from) {
        Ok(bundle) => kubelet(config, &bundle.manifest().kubernetes_version),
        Err(error) if config.join.is_some() => Finding::error("Bundle", format!("{error:#}"), hints(&error).join("; ")),
        Err(error) => {
            let cure = "usernetes-rs bundle import PATH, or --bundle PATH (hack/bundle builds one), or usernetes-rs bundle download";
            Finding::error("Bundle", format!("{error:#}"), cure)
        }
    }
}

/// A kubelet older than the API server works; what is new in between does not.
fn kubelet(config: &Config, found: &str) -> Finding {
    let server = &config.cluster.kubernetes_version;
    match skew(found, server) {
        Skew::Older(by) if config.join.is_some() => {
            let minors = if by == 1 { "1 minor".into() } else { format!("{by} minors") };
            let message = format!("the kubelet of the bundle is {found}, {minors} older than the API server, {server}");
            Finding::warning("Bundle", message, FROM_PEER_HINT)
        }
        _ => Finding::passed("Bundle"),
    }
}

fn destinations(config: &Config) -> Vec<String> {
    let networking = &config.cluster.networking;
    let host = config.rootless.host_ip.map(|ip| ip.to_string());
    [host, Some(networking.pod_subnet.clone()), Some(networking.service_subnet.clone())].into_iter().flatten().collect()
}

/// kubeadm's `--ignore-preflight-errors`: names in any case, or `all`.
fn ignore(findings: &mut [Finding], names: &[String]) {
    let ignored = |check: &str| names.iter().any(|n| n.eq_ignore_ascii_case("all") || n.eq_ignore_ascii_case(check));
    for finding in findings.iter_mut().filter(|f| f.level == Level::Error && ignored(&f.check)) {
        finding.level = Level::Warning;
    }
}

/// Those that stop us.
pub(crate) fn errors(findings: &[Finding]) -> Vec<Finding> {
    of(findings, Level::Error)
}

/// Those that do not.
pub(crate) fn warnings(findings: &[Finding]) -> Vec<Finding> {
    of(findings, Level::Warning)
}

fn of(findings: &[Finding], level: Level) -> Vec<Finding> {
    findings.iter().filter(|f| f.level == level).cloned().collect()
}

/// `24 checks passed, 1 warning`
pub(crate) fn summary(findings: &[Finding]) -> String {
    let count = |level| of(findings, level).len();
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    let mut text = format!("{} passed", plural(count(Level::Passed), "check"));
    for (level, word) in [(Level::Warning, "warning"), (Level::Error, "error")] {
        if count(level) > 0 {
            text.push_str(", ");
            text.push_str(&plural(count(level), word));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_turns_errors_into_warnings() {
        let mut findings =
            vec![Finding::error("SubID", "short", "more"), Finding::error("Port-6443", "taken", "free it")];
        ignore(&mut findings, &["subid".into()]);
        assert_eq!(summary(&findings), "0 checks passed, 1 warning, 1 error");
        ignore(&mut findings, &["ALL".into()]);
        assert!(errors(&findings).is_empty());
    }
}
