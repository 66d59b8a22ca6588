//! Proxies of the environment, which the node's runtime uses to pull images.

use crate::{Finding, env};
use ipnet::IpNet;
use std::net::IpAddr;

const CHECK: &str = "HTTPProxy";

/// Whether the node reaches the proxies of this process's environment, and whether they would catch the cluster's own
/// traffic; `destinations` are addresses and ranges, `host_ip` is HOST_IP.
pub fn http_proxy(destinations: &[String], host_ip: Option<IpAddr>) -> Finding {
    let variables = env::proxy_variables();
    if let Some(finding) = variables.iter().find_map(|(name, value)| check_location(name, value, host_ip)) {
        return finding;
    }
    check_proxy(
        find_value(&variables, &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
        find_value(&variables, &["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        destinations,
    )
}

/// Value of the first of `names` that is set.
fn find_value<'a>(variables: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| variables.iter().find(|(n, _)| n == name)).map(|(_, v)| v.as_str())
}

/// Inside a node, loopback addresses and HOST_IP are the node's own: no proxy of the host listens there.
fn check_location(name: &str, url: &str, host_ip: Option<IpAddr>) -> Option<Finding> {
    let host = proxy_host(url);
    let address = host.parse::<IpAddr>().ok();
    let is_loopback = host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback());
    let is_own = is_loopback || (address.is_some() && address == host_ip);
    if name.eq_ignore_ascii_case("NO_PROXY") || !is_own {
        return None;
    }
    let message =
        format!("{name} names {host}, which inside the node is the node itself: it does not reach this proxy");
    let hint = format!(
        "export {name} with a proxy on another host, or with another address of this host on which the proxy listens; or \
         unset {name}, and import images by `usernetes-rs images import FILE`"
    );
    Some(Finding::warning(CHECK, message, hint))
}

/// The host of `http://user:password@host:port/`; the scheme and the port may be missing.
fn proxy_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or(bracketed),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn check_proxy(proxy: Option<&str>, no_proxy: &str, destinations: &[String]) -> Finding {
    let Some(proxy) = proxy else { return Finding::passed(CHECK) };
    let excepted: Vec<&str> = no_proxy.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
    let missing: Vec<&str> =
        destinations.iter().map(String::as_str).filter(|d| !excepted.iter().any(|e| entry_covers(e, d))).collect();
    if missing.is_empty() {
        return Finding::passed(CHECK);
    }
    let all = excepted.iter().chain(&missing).copied().collect::<Vec<_>>().join(",");
    // A proxy's URL may hold a password.
    let proxy = proxy.rsplit_once('@').map_or(proxy, |(_, host)| host);
    Finding::warning(
        CHECK,
        format!("the proxy {proxy} would be used for {}", missing.join(", ")),
        format!("export NO_PROXY={all}"),
    )
}

/// Whether an entry of `NO_PROXY` (address, range, `*`) covers an address or a range.
fn entry_covers(entry: &str, destination: &str) -> bool {
    entry == "*"
        || entry == destination
        || matches!((parse_range(entry), parse_range(destination)), (Some(e), Some(d)) if e.contains(&d))
}

/// A range, or an address as a range of one.
fn parse_range(s: &str) -> Option<IpNet> {
    s.parse().ok().or_else(|| s.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use insta::assert_snapshot;

    fn show(finding: &Finding) -> String {
        let hint = finding.hint.as_deref().unwrap_or_default();
        format!("{:?} {}: {} -> {hint}", finding.level, finding.check, finding.message)
    }

    #[test]
    fn proxies_on_this_host() {
        let host_ip = "192.0.2.1".parse().ok();
        let own = [
            "http://127.0.0.1:3128",
            "127.0.0.53:1",
            "http://me:secret@localhost:3128/",
            "socks5://[::1]:1080",
            "http://192.0.2.1:8080",
        ];
        for url in own {
            let finding = check_location("https_proxy", url, host_ip).unwrap_or_else(|| panic!("{url}"));
            assert!(!finding.message.contains("secret"), "{}", finding.message);
        }
        for url in ["http://proxy.example:3128", "http://192.0.2.2:3128", "http://localhost.example"] {
            assert_eq!(check_location("HTTPS_PROXY", url, host_ip), None, "{url}");
        }
        assert_eq!(check_location("no_proxy", "127.0.0.1,localhost", host_ip), None);
        assert_snapshot!(show(&check_location("HTTPS_PROXY", own[0], None).expect("a warning")), @"Warning HTTPProxy: HTTPS_PROXY names 127.0.0.1, which inside the node is the node itself: it does not reach this proxy -> export HTTPS_PROXY with a proxy on another host, or with another address of this host on which the proxy listens; or unset HTTPS_PROXY, and import images by `usernetes-rs images import FILE`");
    }

    #[test]
    fn proxies_and_exceptions() {
        let to = ["192.0.2.1".to_owned(), "10.244.0.0/16".to_owned()];
        assert_eq!(check_proxy(None, "", &to).level, Level::Passed);
        for all in ["*", "192.0.2.0/24, 10.0.0.0/8", "192.0.2.1,10.244.0.0/16"] {
            assert_eq!(check_proxy(Some("http://p:3128"), all, &to).level, Level::Passed, "{all}");
        }
        assert_snapshot!(show(&check_proxy(Some("http://me:secret@p:3128"), "localhost,192.0.2.1", &to)), @"Warning HTTPProxy: the proxy p:3128 would be used for 10.244.0.0/16 -> export NO_PROXY=localhost,192.0.2.1,10.244.0.0/16");
    }
}
