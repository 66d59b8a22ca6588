//! Every check of the host, from all libraries, and `--ignore-preflight-errors`.

use crate::errors::collect_hints;
use crate::session::Session;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use usernetes_api::{CgroupSelection, Config, OciRuntime, Protocol, constants};
use usernetes_daemon::{PodIds, check_etcd_data_dir, check_volumes};
use usernetes_host::systemd::UserManager;
use usernetes_host::{Finding, Level, checks as host};
use usernetes_node::bundle::{self, FROM_PEER_HINT, Skew, compare_versions};
use usernetes_node::{Cri, Role};
use usernetes_rootless::SubIds;

/// All checks, with those that the configuration ignores turned into warnings.
pub(crate) fn run_all(session: &Session, config: &Config) -> Vec<Finding> {
    let role = Role::of(config);
    let mut findings = vec![session.check_home()];
    findings.extend(usernetes_rootless::checks::checks(&session.paths().state(), config.rootless.network.driver));
    findings.extend(check_kept_ids(session));
    findings.extend(check_pod_ids(config));
    if config.rootless.oci_runtime == OciRuntime::Crun {
        findings.push(usernetes_node::checks::check_crun());
    }
    findings.extend(check_crio(config));
    findings.extend(usernetes_node::checks::run_checks(role, config.node_name(), session.paths()));
    let state = session.paths().state();
    findings.extend([host::state_dir(&state), host::state_path(&state), host::state_mount(&state)]);
    let manager = session.instance.service_manager();
    findings.extend(check_cgroups(config.rootless.cgroups, manager.as_ref()));
    findings.push(host::user_manager(manager.is_some()));
    findings.push(host::linger());
    findings.extend(host::inherited(manager.is_some()));
    findings.push(host::http_proxy(&proxy_destinations(config), config.rootless.host_ip));
    findings.push(host::ping_groups());
    findings.push(host::host_subnets(&[
        ("networking.podSubnet", &config.cluster.networking.pod_subnet),
        ("networking.serviceSubnet", &config.cluster.networking.service_subnet),
    ]));
    if let Some(host_ip) = config.rootless.host_ip {
        let address = host::host_ip(host_ip);
        // The ports of a running node are its own, and no port is free on an address of others.
        if address.level == Level::Passed && !session.instance.is_alive().unwrap_or(false) {
            findings.extend(check_ports(config, host_ip));
        }
        findings.push(address);
    }
    if role == Role::ControlPlane {
        findings.extend(check_volumes(config, session.paths()));
        findings.extend(check_etcd_data_dir(config, session.paths()));
    }
    findings.push(check_bundle(session, config));
    ignore_errors(&mut findings, &config.node_registration().ignore_preflight_errors);
    findings
}

/// `None` where ids cannot be read, or are too few for the node itself: another check reports that.
fn check_pod_ids(config: &Config) -> Option<Finding> {
    let ids = SubIds::current().ok().filter(SubIds::suffice)?;
    Some(PodIds::new(&ids, config).finding(&ids))
}

/// `None` before a node was started here.
fn check_kept_ids(session: &Session) -> Option<Finding> {
    const CHECK: &str = "SubIDRange";
    match session.instance.check_subids() {
        Ok(false) => None,
        Ok(true) => Some(Finding::passed(CHECK)),
        Err(error) => Some(Finding::error(CHECK, error.to_string(), error.hint().unwrap_or_default())),
    }
}

/// `None` when containerd is selected.
fn check_crio(config: &Config) -> Option<Finding> {
    const CHECK: &str = "Crio";
    match Cri::find(config.container_runtime()) {
        Ok(Cri::Containerd) => None,
        Ok(Cri::CriO(_)) => Some(Finding::passed(CHECK)),
        Err(missing) => Some(Finding::error(CHECK, missing.to_string(), missing.hint().unwrap_or_default())),
    }
}

/// `None` when cgroups are not wanted; an error instead of a warning when they are required.
fn check_cgroups(selection: CgroupSelection, manager: Option<&UserManager>) -> Option<Finding> {
    let group = manager.and_then(UserManager::control_group);
    let finding = || usernetes_rootless::checks::cgroups(group.as_deref());
    match selection {
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

fn check_ports(config: &Config, host_ip: IpAddr) -> Vec<Finding> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut wanted = vec![
        (Protocol::Tcp, config.rootless.ports.kubelet, Some("--kubelet-port")),
        // A joining host cannot choose it.
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

fn check_bundle(session: &Session, config: &Config) -> Finding {
    if config.rootless.bundle_from_peer {
        // Fetched later, when all other checks have passed.
        return Finding::passed("Bundle");
    }
    match bundle::find_bundle(config, session.paths()) {
        Ok(bundle) => check_bundle_place(session, bundle.dir())
            .unwrap_or_else(|| check_kubelet_skew(config, &bundle.manifest().kubernetes_version)),
        Err(error) if config.join.is_some() => {
            let error = anyhow::Error::from(error);
            Finding::error("Bundle", format!("{error:#}"), collect_hints(&error).join("; "))
        }
        Err(error) => {
            let hint = "usernetes-rs bundle import PATH, or --bundle PATH (hack/bundle builds one), or usernetes-rs bundle download";
            Finding::error("Bundle", format!("{:#}", anyhow::Error::from(error)), hint)
        }
    }
}

/// A bundle that the user names stays where it is; an imported one is copied below the state directory.
fn check_bundle_place(session: &Session, directory: &Path) -> Option<Finding> {
    let imported = session.paths().bundles();
    if imported.canonicalize().is_ok_and(|imported| directory.starts_with(imported)) {
        return None;
    }
    let message = format!("the bundle {} {}", directory.display(), host::bundle_obstacle(directory)?);
    let hint = format!("usernetes-rs bundle import {}, and leave out --bundle", directory.display());
    Some(Finding::error("Bundle", message, hint))
}

/// A kubelet older than the API server works, without the features in between.
fn check_kubelet_skew(config: &Config, found: &str) -> Finding {
    let server = &config.cluster.kubernetes_version;
    match compare_versions(found, server) {
        Skew::Older(by) if config.join.is_some() => {
            let minors = if by == 1 { "1 minor".into() } else { format!("{by} minors") };
            let message = format!("the kubelet of the bundle is {found}, {minors} older than the API server, {server}");
            Finding::warning("Bundle", message, FROM_PEER_HINT)
        }
        _ => Finding::passed("Bundle"),
    }
}

fn proxy_destinations(config: &Config) -> Vec<String> {
    let networking = &config.cluster.networking;
    let host = config.rootless.host_ip.map(|ip| ip.to_string());
    [host, Some(networking.pod_subnet.clone()), Some(networking.service_subnet.clone())].into_iter().flatten().collect()
}

/// kubeadm's `--ignore-preflight-errors`: names in any case, or `all`.
fn ignore_errors(findings: &mut [Finding], names: &[String]) {
    let ignored = |check: &str| names.iter().any(|n| n.eq_ignore_ascii_case("all") || n.eq_ignore_ascii_case(check));
    for finding in findings.iter_mut().filter(|f| f.level == Level::Error && ignored(&f.check)) {
        finding.level = Level::Warning;
    }
}

/// The findings that prevent a start.
pub(crate) fn errors(findings: &[Finding]) -> Vec<Finding> {
    select(findings, Level::Error)
}

/// The findings that do not.
pub(crate) fn warnings(findings: &[Finding]) -> Vec<Finding> {
    select(findings, Level::Warning)
}

fn select(findings: &[Finding], level: Level) -> Vec<Finding> {
    findings.iter().filter(|f| f.level == level).cloned().collect()
}

/// `24 checks passed, 1 warning`
pub(crate) fn summarize(findings: &[Finding]) -> String {
    let mut text = format!("{} passed", plural(select(findings, Level::Passed).len(), "check"));
    for (level, word) in [(Level::Warning, "warning"), (Level::Error, "error")] {
        let count = select(findings, level).len();
        if count > 0 {
            text.push_str(", ");
            text.push_str(&plural(count, word));
        }
    }
    text
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_turns_errors_into_warnings() {
        let mut findings =
            vec![Finding::error("SubID", "short", "more"), Finding::error("Port-6443", "taken", "free it")];
        ignore_errors(&mut findings, &["subid".into()]);
        assert_eq!(summarize(&findings), "0 checks passed, 1 warning, 1 error");
        ignore_errors(&mut findings, &["ALL".into()]);
        assert!(errors(&findings).is_empty());
    }
}
