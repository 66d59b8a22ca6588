//! Whether a port is free; if not, its owner and a free port instead.

use crate::Finding;
use crate::env::user::by_uid;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::ffi::OsStrExt as _;

/// Tries to bind all `addresses`, which have one port. `flag` sets the port; without one it is the same on all hosts.
pub fn port(addresses: &[SocketAddr], udp: bool, flag: Option<&str>) -> Finding {
    let Some(number) = addresses.first().map(SocketAddr::port) else { return Finding::passed("Port") };
    let name = format!("Port-{number}");
    let failed = addresses.iter().find_map(|address| try_bind(*address, udp).err().map(|error| (*address, error)));
    let Some((address, error)) = failed else { return Finding::passed(name) };
    let protocol = if udp { "udp" } else { "tcp" };
    match error.kind() {
        ErrorKind::AddrInUse => {
            let owner = find_owner(address, udp).map_or_else(String::new, |owner| format!(" by {owner}"));
            Finding::error(
                name,
                format!("port {number}/{protocol} is taken{owner}"),
                other_port_hint(addresses, udp, flag),
            )
        }
        ErrorKind::AddrNotAvailable => {
            let message = format!("{} is not an address of this host", address.ip());
            Finding::error(name, message, "--host-ip ADDRESS, one that ip address lists")
        }
        ErrorKind::PermissionDenied => {
            let other = flag.map_or_else(String::new, |flag| format!("{flag} PORT with one of 1024 or more, or "));
            let hint = format!("{other}as root: sysctl -w net.ipv4.ip_unprivileged_port_start={number}");
            Finding::error(name, format!("port {number}/{protocol} may only be bound by root"), hint)
        }
        _ => Finding::error(
            name,
            format!("cannot bind {address}/{protocol}: {error}"),
            other_port_hint(addresses, udp, flag),
        ),
    }
}

/// The standard library sets SO_REUSEADDR, so that connections of an earlier process do not block the port.
fn try_bind(address: SocketAddr, udp: bool) -> std::io::Result<()> {
    if udp { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) }
}

fn other_port_hint(addresses: &[SocketAddr], udp: bool, flag: Option<&str>) -> String {
    let Some(flag) = flag else {
        return "end the other program: this port is the same on every host of the cluster".to_owned();
    };
    let all_free =
        |port: &u16| addresses.iter().all(|address| try_bind(SocketAddr::new(address.ip(), *port), udp).is_ok());
    let taken = addresses.first().map_or(0, SocketAddr::port);
    // A few tries are enough.
    let free = (taken.saturating_add(1)..=taken.saturating_add(100)).find(all_free);
    free.map_or_else(
        || format!("{flag} PORT, or end the other program"),
        |port| format!("{flag} {port}, which is free, or end the other program"),
    )
}

/// `kubelet (pid 7)`, or `user alice` if the process cannot be inspected.
fn find_owner(address: SocketAddr, udp: bool) -> Option<String> {
    let table = if udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    let tables = table.iter().filter_map(|name| std::fs::read_to_string(format!("/proc/net/{name}")).ok());
    let socket = tables.into_iter().find_map(|table| find_socket(&table, address, udp))?;
    find_process(socket.inode).or_else(|| {
        let name = by_uid(socket.uid).map_or_else(|_| socket.uid.to_string(), |user| user.name);
        Some(format!("user {name}"))
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    uid: u32,
    inode: u64,
}

/// The socket of `/proc/net/{tcp,udp}{,6}` that keeps `address` from being bound.
fn find_socket(table: &str, address: SocketAddr, udp: bool) -> Option<Socket> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (parse_address(fields.get(1)?)?, *fields.get(3)?);
        // 0A is LISTEN; a bound UDP socket is 07 or, when connected, 01.
        let counts = udp || state == "0A";
        let same = local.ip() == address.ip() || local.ip().is_unspecified() || address.ip().is_unspecified();
        let socket = Socket { uid: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? };
        (counts && same && local.port() == address.port()).then_some(socket)
    })
}

/// `0100007F:1F90`: 32-bit words in the machine's byte order, the port in the network's.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(parse_word(address, 0)?)),
        32 => {
            let mut bytes = [0; 16];
            for n in 0..4 {
                bytes[n * 4..][..4].copy_from_slice(&parse_word(address, n)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The word at position `n`, in the order of its bytes in memory.
fn parse_word(address: &str, n: usize) -> Option<[u8; 4]> {
    u32::from_str_radix(address.get(n * 8..n * 8 + 8)?, 16).ok().map(u32::to_ne_bytes)
}

/// The process that has a socket open, among those that the user may inspect.
fn find_process(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten().filter(|e| e.file_name().as_bytes()[0].is_ascii_digit());
    let found = processes.map(|entry| entry.path()).find(|path| has_open(path, &wanted))?;
    let name = std::fs::read_to_string(found.join("comm")).ok()?;
    Some(format!("{} (pid {})", name.trim(), found.file_name()?.display()))
}

/// Whether a file descriptor of `process`, a directory in `/proc`, leads to `wanted`.
fn has_open(process: &std::path::Path, wanted: &str) -> bool {
    let files = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let mut targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.any(|target| target.as_os_str().as_bytes() == wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use proptest::prelude::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_proc_net_tcp() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:192B 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0\n\
            1: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 12 1 0 100 0 0 10 0\n\
            2: 00000000000000000000000000000000:192C 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  7 0 13 1\n";
        let find = |address: &str| find_socket(text, address.parse().expect("an address"), false);
        assert_eq!(find("127.0.0.1:6443"), Some(Socket { uid: 1001, inode: 12 }));
        assert_eq!(find("192.0.2.1:6443"), None);
        assert_eq!(find("192.0.2.1:6444"), Some(Socket { uid: 7, inode: 13 }));
    }

    #[test]
    fn a_taken_port_names_its_owner_and_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("bound");
        let finding = port(&[address], false, Some("--some-port"));
        assert_eq!((finding.level, finding.check), (Level::Error, format!("Port-{}", address.port())));
        assert!(
            finding.message.starts_with(&format!("port {}/tcp is taken by ", address.port())),
            "{}",
            finding.message
        );
        assert!(finding.message.ends_with(&format!("(pid {})", std::process::id())), "{}", finding.message);
        assert!(finding.hint.expect("one").starts_with("--some-port "));

        let fixed = port(&[address], false, None).hint.expect("one");
        assert_eq!(fixed, "end the other program: this port is the same on every host of the cluster");

        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let finding = port(&[udp.local_addr().expect("bound")], true, Some("--some-port"));
        assert!(finding.message.contains("/udp is taken by "), "{}", finding.message);
    }

    #[test]
    fn free_ports_pass_and_foreign_addresses_do_not() {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        assert_eq!(port(&[free], false, Some("--p")).level, Level::Passed);
        let foreign = port(&["203.0.113.7:6443".parse().expect("an address")], false, Some("--p"));
        assert_eq!(foreign.message, "203.0.113.7 is not an address of this host");
    }

    proptest! {
        #[test]
        fn no_table_makes_it_panic(text in "\n([0-9A-F:]{0,40}[ ]){0,11}") {
            find_socket(&text, ([0, 0, 0, 0], 1).into(), false);
        }

        #[test]
        fn no_address_makes_it_panic(text in ".{0,40}") {
            parse_address(&text);
        }
    }
}
