use super::*;
use proptest::prelude::*;

fn route(net: &str, interface: &str, metric: u32) -> Route {
    Route { net: net.parse().expect("a range"), interface: interface.into(), gateway: None, metric }
}

fn by(gateway: &str, route: Route) -> Route {
    Route { gateway: gateway.parse().ok(), ..route }
}

/// Interfaces that container engines and VPNs make.
fn is_virtual(interface: &str) -> bool {
    interface.starts_with("docker") || interface.starts_with("wg")
}

#[cfg(target_endian = "little")]
#[test]
fn lines_of_proc_net_route() {
    let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                *\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0\n";
    let found: Vec<Route> = text.lines().filter_map(parse_route_ipv4).collect();
    assert_eq!(found, [by("192.0.2.1", route("0.0.0.0/0", "eth0", 100)), route("192.0.2.0/24", "eth0", 0)]);
}

#[test]
fn lines_of_proc_net_ipv6_route() {
    let text = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
                00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n\
                00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    let found: Vec<Route> = text.lines().filter_map(parse_route_ipv6).collect();
    assert_eq!(found, [route("fd00::/64", "eth0", 256), by("fd00::1", route("::/0", "eth0", 1024))]);
}

fn chosen(addresses: &[(&str, &str)], routes: &[Route]) -> Result<Option<String>, String> {
    let addresses = addresses.iter().map(|(name, ip)| ((*name).to_owned(), ip.parse().expect("an address")));
    choose_host_ip(rank_candidates(addresses, routes, &is_virtual))
        .map(|ip| ip.map(|ip| ip.to_string()))
        .map_err(|e| format!("{e}; {}", e.hint().unwrap_or_default()))
}

#[test]
fn the_default_routes_interface_wins() {
    let addresses = [
        ("docker0", "172.17.0.1"),
        ("eth0", "fe80::1"),
        ("eth0", "fd00::2"),
        ("eth0", "192.0.2.2"),
        ("eth0", "192.0.2.3"),
        ("wlan0", "198.51.100.2"),
    ];
    let routes = [route("0.0.0.0/0", "wlan0", 600), route("0.0.0.0/0", "eth0", 100), route("::/0", "eth0", 1024)];
    assert_eq!(chosen(&addresses, &routes), Ok(Some("192.0.2.2".into())));
}

#[test]
fn several_that_are_equal_are_an_error() {
    let addresses = [("eth0", "192.0.2.2"), ("wlan0", "198.51.100.2")];
    let message = "this host has several addresses, and no default route tells which one other hosts use: \
                   192.0.2.2 (eth0), 198.51.100.2 (wlan0); choose one, such as --host-ip 192.0.2.2";
    assert_eq!(chosen(&addresses, &[]), Err(message.into()));
    let routes = [route("0.0.0.0/0", "wlan0", 0), route("0.0.0.0/0", "eth0", 0)];
    assert_eq!(chosen(&addresses, &routes), Err(message.into()));
}

#[test]
fn without_a_default_route_an_only_address_is_enough() {
    assert_eq!(chosen(&[("eth0", "fe80::1"), ("eth0", "198.51.100.11")], &[]), Ok(Some("198.51.100.11".into())));
    assert_eq!(chosen(&[("eth0", "169.254.0.1")], &[]), Ok(None));
}

#[test]
fn bridges_and_tunnels_come_last() {
    let addresses = [("docker0", "172.17.0.1"), ("wg0", "10.8.0.2"), ("eth0", "192.0.2.2")];
    assert_eq!(chosen(&addresses, &[]), Ok(Some("192.0.2.2".into())));
    assert_eq!(chosen(&addresses, &[route("0.0.0.0/0", "wg0", 0)]), Ok(Some("10.8.0.2".into())));
    assert_eq!(chosen(&addresses[..1], &[]), Ok(Some("172.17.0.1".into())));
}

#[test]
fn the_nat_of_a_virtual_machine_is_no_address_for_others() {
    let nat = [by("10.0.2.2", route("0.0.0.0/0", "eth0", 0))];
    assert_eq!(chosen(&[("eth0", "10.0.2.15")], &nat), Ok(Some("10.0.2.15".into())), "one host needs no other");
    assert_eq!(chosen(&[("eth0", "10.0.2.15"), ("docker0", "172.17.0.1")], &nat), Ok(Some("10.0.2.15".into())));
    let message = "10.0.2.15, the address of the default route, is behind the NAT of a virtual machine, where no other \
                   host reaches it; this host has 10.0.2.15 (eth0), 192.168.56.10 (eth1); \
                   choose one, such as --host-ip 192.168.56.10";
    assert_eq!(chosen(&[("eth0", "10.0.2.15"), ("eth1", "192.168.56.10")], &nat), Err(message.into()));
    let lan = [by("10.0.2.1", route("0.0.0.0/0", "eth0", 0))];
    assert_eq!(chosen(&[("eth0", "10.0.2.15"), ("eth1", "192.168.56.10")], &lan), Ok(Some("10.0.2.15".into())));
}

#[test]
fn an_address_without_a_default_route_is_no_substitute() {
    let addresses = || {
        [("docker0", "172.17.0.1"), ("eth0", "192.0.2.2")]
            .map(|(n, ip)| (n.to_owned(), ip.parse().expect("an address")))
            .into_iter()
    };
    let with =
        |routes: &[Route]| choose_host_ip(keep_routed(rank_candidates(addresses(), routes, &is_virtual))).expect("one");
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[route("0.0.0.0/0", "eth0", 0)]), Some([192, 0, 2, 2].into()));
}

#[test]
fn this_machine_can_be_read() {
    routes().expect("readable");
    for candidate in host_ips().expect("readable") {
        assert!(mtu_to_outside(candidate.address).expect("readable") >= Some(68));
    }
    assert_eq!(mtu("no-such-interface").expect("readable"), None);
}

proptest! {
    #[test]
    fn no_line_makes_them_panic(line in "([0-9a-fA-F]{0,33}[ \t]){0,11}.{0,5}") {
        let _ = (parse_route_ipv4(&line), parse_route_ipv6(&line));
    }
}
