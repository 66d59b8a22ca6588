//! Syntax of names, and the known name that is nearest to a misspelt one.

use std::net::IpAddr;

/// The known name that is nearest to a given one, if any is near.
pub(crate) fn nearest_name<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let distances = known.iter().map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), *name));
    let near = distances.min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, name)| *distance <= (name.len() / 3).max(1)).map(|(_, name)| name)
}

/// RFC 1123 subdomain as Kubernetes checks it: lower case, at most 253 characters; labels may be longer than 63.
pub(crate) fn is_subdomain(s: &str) -> bool {
    s.len() <= 253 && s.split('.').all(is_label)
}

/// Whether a name is every host's own.
pub(crate) fn is_localhost(name: &str) -> bool {
    ["localhost", "localhost4", "localhost6"].contains(&name.split('.').next().unwrap_or_default())
}

/// A node name that resembles `name`: in lower case, with dashes for what no node name has, at most 63 characters.
pub(crate) fn suggest_node_name(name: &str) -> String {
    let name: String =
        name.to_lowercase().chars().map(|c| if c == '.' || is_label(&c.to_string()) { c } else { '-' }).collect();
    let labels: Vec<_> =
        name.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty()).collect();
    let mut name = labels.join(".");
    name.truncate(63);
    let name = name.trim_end_matches(['-', '.']);
    if name.is_empty() || is_localhost(name) { "node-1".to_owned() } else { name.to_owned() }
}

/// RFC 1123 label in lower case; its length is not checked.
pub(crate) fn is_label(s: &str) -> bool {
    let valid = s.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    valid && !s.is_empty() && !s.starts_with('-') && !s.ends_with('-')
}

/// `HOST` or `HOST:PORT`, an IPv6 address with a port in brackets. The port is `None` when it is not given.
pub(crate) fn host_port(s: &str) -> Option<(String, Option<u16>)> {
    if s.parse::<IpAddr>().is_ok() {
        return Some((s.to_owned(), None));
    }
    if let Some(rest) = s.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Some((host.to_owned(), None)),
            None => None,
            Some(port) => Some((host.to_owned(), Some(port_number(port)?))),
        };
    }
    let (host, port) = match s.split_once(':') {
        None => (s, None),
        Some((host, port)) => (host, Some(port_number(port)?)),
    };
    is_host(host).then(|| (host.to_owned(), port))
}

/// A port number in digits only, not 0.
pub(crate) fn port_number(s: &str) -> Option<u16> {
    s.bytes().all(|c| c.is_ascii_digit()).then(|| s.parse().ok().filter(|&port| port != 0)).flatten()
}

/// An IPv4 address or a DNS name. A name of digits and dots only is a mistyped address.
fn is_host(s: &str) -> bool {
    let numeric = s.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    if numeric { s.parse::<IpAddr>().is_ok() } else { is_subdomain(&s.to_lowercase()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_do() {
        let cases = ["Host-A", "my_host", "-a-", "a..b.", "localhost.localdomain", "", "Füße", "host.", "x y"];
        let offered: Vec<_> = cases.iter().map(|name| suggest_node_name(name)).collect();
        assert_eq!(offered, ["host-a", "my-host", "a", "a.b", "node-1", "node-1", "f--e", "host", "x-y"]);
        let long = suggest_node_name(&"a.".repeat(60));
        assert!(long.len() <= 63 && is_subdomain(&long), "{long}");
    }
}
