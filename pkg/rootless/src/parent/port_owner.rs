//! Finds the process that holds a port, as far as /proc is readable.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use usernetes_api::{PortSpec, Protocol};

/// A line of /proc/net/{tcp,udp}{,6}.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    listening: bool,
    uid: u32,
    inode: u64,
}

/// Describes the process: `process 812 (nginx)`, or `a process of uid 33` when it belongs to another user.
pub(super) fn find_owner(spec: &PortSpec) -> Option<String> {
    let row = read_tables(spec.protocol).into_iter().find(|row| conflicts_with(row, spec))?;
    Some(process_with(row.inode).unwrap_or_else(|| format!("a process of uid {}", row.uid)))
}

fn read_tables(protocol: Protocol) -> Vec<Row> {
    let texts = ["", "6"].map(|suffix| fs::read_to_string(format!("/proc/net/{protocol}{suffix}")).unwrap_or_default());
    texts.iter().flat_map(|text| text.lines().filter_map(parse_row)).collect()
}

fn conflicts_with(row: &Row, spec: &PortSpec) -> bool {
    let requested = spec.host.ip();
    let bound = row.local.ip();
    let holds = spec.protocol == Protocol::Udp || row.listening;
    holds
        && row.local.port() == spec.host.port()
        && (requested == bound || requested.is_unspecified() || bound.is_unspecified())
}

/// Addresses are hexadecimal words in native byte order, the port is a hexadecimal number.
fn parse_row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(Row {
        local: SocketAddr::new(parse_address(address)?, u16::from_str_radix(port, 16).ok()?),
        listening: *fields.get(3)? == "0A",
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (i, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(i * 8)?);
            }
            Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}

fn process_with(inode: u64) -> Option<String> {
    let socket = format!("socket:[{inode}]");
    let mut processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let process = processes.find(|path| has_open(path, &socket))?;
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(format!("process {} ({})", process.file_name()?.to_string_lossy(), name.trim()))
}

/// Whether the process of this directory of /proc has the file open.
fn has_open(process: &Path, file: &str) -> bool {
    // The links of /proc to this process have no number.
    let is_numbered = process.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let Some(Ok(fds)) = is_numbered.then(|| fs::read_dir(process.join("fd"))) else { return false };
    fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;

    #[cfg(target_endian = "little")]
    #[test]
    fn rows_of_both_families() {
        let v4 = "   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        let row = parse_row(v4).expect("a row");
        assert_eq!(
            row,
            Row { local: "127.0.0.1:6443".parse().expect("address"), listening: true, uid: 1000, inode: 4242 }
        );
        let v6 = "   1: 00000000000000000000000001000000:0050 0:0 0A 0:0 0:0 0  33  0 7 1";
        assert_eq!(parse_row(v6).expect("a row").local, "[::1]:80".parse().expect("address"));
        assert_eq!(parse_row("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn the_owner_of_a_busy_port_is_found() {
        let busy = TcpListener::bind("127.0.0.1:0").expect("bind");
        let host = busy.local_addr().expect("address");
        let owner = find_owner(&PortSpec { protocol: Protocol::Tcp, host, node: host }).expect("an owner");
        assert!(owner.starts_with(&format!("process {} (", std::process::id())), "{owner}");
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*( \\PC*){9}") {
            let _ = parse_row(&line);
        }
    }
}
