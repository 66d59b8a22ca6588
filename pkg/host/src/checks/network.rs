//! Addresses, ranges and low ports.

use crate::Finding;
use crate::env::{self, Route};
use ipnet::IpNet;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

/// Whether the host has the address at which other hosts reach it. A bind is tried, since the kernel also accepts
/// addresses that no interface lists.
pub fn host_ip(address: IpAddr) -> Finding {
    const NAME: &str = "HostIP";
    match UdpSocket::bind((address, 0)) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            let message = format!("{address} is not an address of this host");
            Finding::error(NAME, message, host_ip_hint(&env::host_ips().unwrap_or_default()))
        }
        _ => Finding::passed(NAME),
    }
}

fn host_ip_hint(candidates: &[env::Candidate]) -> String {
    let all: Vec<_> = candidates.iter().map(|c| format!("{} ({})", c.address, c.interface)).collect();
    if all.is_empty() {
        "give the host an address that other hosts reach, then name it by --host-ip".into()
    } else {
        format!("--host-ip with one of {}", all.join(", "))
    }
}

/// Whether ranges of the cluster, given with the names of their fields, overlap routes of the host.
///
/// Inside the node the cluster's range wins, so hosts behind the route could not be reached from pods. A range that
/// does not parse is the configuration's mistake and reported there.
pub fn host_subnets(ranges: &[(&str, &str)]) -> Finding {
    match env::routes() {
        Ok(routes) => check_overlaps(ranges, &routes),
        Err(error) => Finding::warning("HostSubnets", error.to_string(), "mount /proc"),
    }
}

fn check_overlaps(ranges: &[(&str, &str)], routes: &[Route]) -> Finding {
    let mut messages = Vec::new();
    let mut hints = Vec::new();
    let mut taken: Vec<IpNet> = routes.iter().map(|route| route.net).filter(|net| net.prefix_len() > 0).collect();
    taken.extend(ranges.iter().filter_map(|(_, text)| text.parse::<IpNet>().ok()));
    for (field, text) in ranges {
        let Ok(net) = text.parse::<IpNet>() else { continue };
        if let Some(route) = routes.iter().find(|route| route.net.prefix_len() > 0 && overlaps(&net, &route.net)) {
            messages.push(format!("{field} {net} overlaps the host's route to {} ({})", route.net, route.interface));
            hints.push(suggest_range(field, net.prefix_len(), &mut taken));
        }
    }
    if messages.is_empty() {
        return Finding::passed("HostSubnets");
    }
    Finding::error("HostSubnets", messages.join("; "), format!("choose another range for {}", hints.join(" and for ")))
}

/// The field with a range of the same size that nothing uses, which is taken then.
fn suggest_range(field: &str, prefix: u8, taken: &mut Vec<IpNet>) -> String {
    // Ranges for private use (RFC 1918), the larger ones first, and those of carriers (RFC 6598).
    let private =
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(|net| net.parse::<IpNet>().ok());
    let mut candidates = private.into_iter().flatten().filter_map(|net| net.subnets(prefix).ok()).flatten();
    match candidates.find(|range| !taken.iter().any(|net| overlaps(range, net))) {
        Some(free) => {
            taken.push(free);
            format!("{field}, such as {free}")
        }
        None => field.to_owned(),
    }
}

fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether an ordinary user may bind these ports.
pub fn unprivileged_ports(ports: &[u16]) -> Finding {
    check_ports(ports, env::first_free_port())
}

fn check_ports(ports: &[u16], start: u16) -> Finding {
    let low: Vec<String> = ports.iter().filter(|&&port| port < start).map(ToString::to_string).collect();
    let Some(lowest) = ports.iter().min().filter(|_| !low.is_empty()) else {
        return Finding::passed("UnprivilegedPorts");
    };
    let message = format!("ports below {start} are root's: {}", low.join(", "));
    let hint = format!("choose others, or as root: sysctl -w net.ipv4.ip_unprivileged_port_start={lowest}");
    Finding::error("UnprivilegedPorts", message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use insta::assert_snapshot;

    fn show(finding: &Finding) -> String {
        format!(
            "{:?} {}: {} -> {}",
            finding.level,
            finding.check,
            finding.message,
            finding.hint.as_deref().unwrap_or_default()
        )
    }

    fn route(net: &str) -> Route {
        Route { net: net.parse().expect("a range"), interface: "eth0".into(), gateway: None, metric: 0 }
    }

    #[test]
    fn ranges_and_routes() {
        let ranges = [
            ("networking.podSubnet", "10.244.0.0/16"),
            ("networking.serviceSubnet", "10.96.0.0/12"),
            ("x", "nonsense"),
        ];
        assert_eq!(
            check_overlaps(&ranges, &[route("0.0.0.0/0"), route("192.0.2.0/24"), route("::/0")]).level,
            Level::Passed
        );
        assert_snapshot!(show(&check_overlaps(&ranges, &[route("10.244.7.0/24")])), @"Error HostSubnets: networking.podSubnet 10.244.0.0/16 overlaps the host's route to 10.244.7.0/24 (eth0) -> choose another range for networking.podSubnet, such as 10.0.0.0/16");
        assert_snapshot!(show(&check_overlaps(&ranges, &[route("10.0.0.0/8")])), @"Error HostSubnets: networking.podSubnet 10.244.0.0/16 overlaps the host's route to 10.0.0.0/8 (eth0); networking.serviceSubnet 10.96.0.0/12 overlaps the host's route to 10.0.0.0/8 (eth0) -> choose another range for networking.podSubnet, such as 172.16.0.0/16 and for networking.serviceSubnet, such as 100.64.0.0/12");
    }

    #[test]
    fn addresses_of_others() {
        assert_eq!(host_ip(IpAddr::from([127, 0, 0, 1])).level, Level::Passed);
        let finding = host_ip(IpAddr::from([203, 0, 113, 7]));
        assert_eq!(
            (finding.level, finding.message.as_str()),
            (Level::Error, "203.0.113.7 is not an address of this host")
        );
        let candidate = env::Candidate {
            address: IpAddr::from([192, 0, 2, 1]),
            interface: "eth0".into(),
            on_default_route: true,
            obstacle: None,
        };
        assert_snapshot!(host_ip_hint(&[candidate.clone(), candidate]), @"--host-ip with one of 192.0.2.1 (eth0), 192.0.2.1 (eth0)");
        assert_snapshot!(host_ip_hint(&[]), @"give the host an address that other hosts reach, then name it by --host-ip");
    }

    #[test]
    fn low_ports_are_named() {
        assert_eq!(check_ports(&[6443, 80], 80).level, Level::Passed);
        assert_snapshot!(show(&check_ports(&[6443, 443, 80], 1024)), @"Error UnprivilegedPorts: ports below 1024 are root's: 443, 80 -> choose others, or as root: sysctl -w net.ipv4.ip_unprivileged_port_start=80");
    }
}
