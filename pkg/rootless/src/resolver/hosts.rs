//! The host's `/etc/hosts`.

use super::message::{A, AAAA, Answer, HTTPS, PTR, Question, SVCB};
use std::collections::HashMap;
use std::net::IpAddr;

/// Names and addresses of a hosts file.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    addresses: HashMap<String, Vec<IpAddr>>,
    names: HashMap<IpAddr, Vec<String>>,
}

/// What the host calls itself. Its loopback address would be the pod's own inside.
#[derive(Debug)]
pub(super) struct OwnNames {
    pub(super) hostname: String,
    pub(super) host_ip: Option<IpAddr>,
}

impl Hosts {
    /// Lines of an address and names; everything else is ignored.
    pub(super) fn parse(text: &str) -> Self {
        let mut hosts = Self::default();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let address = words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
            let Some(address) = address else { continue };
            for name in words {
                hosts.add(name.trim_end_matches('.').to_ascii_lowercase(), address);
            }
        }
        hosts
    }

    fn add(&mut self, name: String, address: IpAddr) {
        let addresses = self.addresses.entry(name.clone()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        self.names.entry(address).or_default().push(name);
    }

    /// The answer to a question about a name or an address of the file; `None` for others.
    pub(super) fn answer(&self, question: &Question, own: &OwnNames) -> Option<Answer> {
        if !question.is_standard {
            return None;
        }
        match question.kind {
            PTR => Some(Answer::Names(self.names.get(&question.reverse_address()?)?.clone())),
            // Without records: a resolver knows nothing of a name of this file, and its denial would hide the addresses.
            A | AAAA | SVCB | HTTPS => {
                let addresses = self.addresses.get(&question.name)?;
                let addresses = addresses.iter().map(|&address| own.replace_loopback(&question.name, address));
                let is_wanted = |ip: &IpAddr| matches!((question.kind, ip), (A, IpAddr::V4(_)) | (AAAA, IpAddr::V6(_)));
                Some(Answer::Addresses(addresses.filter(is_wanted).collect()))
            }
            _ => None,
        }
    }
}

impl OwnNames {
    /// HOST_IP where the file gives the host's own name a loopback address, such as Debian's 127.0.1.1.
    fn replace_loopback(&self, name: &str, address: IpAddr) -> IpAddr {
        match self.host_ip {
            Some(host_ip) if address.is_loopback() && self.is_own(name, address) => host_ip,
            _ => address,
        }
    }

    /// Names at 127.0.0.1 other than the host's are those that an administrator blocks.
    fn is_own(&self, name: &str, address: IpAddr) -> bool {
        let usual = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1])];
        let first = |name: &str| name.split('.').next().map(str::to_ascii_lowercase);
        let is_localhost = first(name).is_some_and(|label| label.starts_with("localhost"));
        !is_localhost && (!usual.contains(&address) || first(name) == first(&self.hostname))
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Question;
    use super::*;

    const FILE: &str = "127.0.0.1 localhost ads.example\n127.0.1.1\tH1.lab h1 # Debian\r\n198.51.100.11 cp.lab cp\n\
        2001:db8::1 cp.lab\n198.51.100.12 cp.lab\nfe80::1%eth0 router\nnonsense\n198.51.100.13\n";

    fn answer(name: &str, kind: u16) -> Option<Answer> {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).expect("short"));
            message.extend(label.bytes());
        }
        message.extend([&[0][..], &kind.to_be_bytes(), &[0, 1]].concat());
        let own = OwnNames { hostname: "h1".into(), host_ip: Some([198, 51, 100, 77].into()) };
        Hosts::parse(FILE).answer(&Question::parse(&message).expect("a request"), &own)
    }

    #[test]
    fn names_of_the_file() {
        let addresses = |list: &[[u8; 4]]| Some(Answer::Addresses(list.iter().map(|ip| IpAddr::from(*ip)).collect()));
        assert_eq!(answer("CP.lab", A), addresses(&[[198, 51, 100, 11], [198, 51, 100, 12]]));
        assert_eq!(answer("cp", AAAA), addresses(&[]), "no record, and no denial");
        assert_eq!(answer("cp", HTTPS), addresses(&[]));
        assert_eq!(answer("cp", 15), None, "mail is not of this file");
        assert_eq!(answer("other", A), None);
        assert_eq!(answer("12.100.51.198.in-addr.arpa", PTR), Some(Answer::Names(vec!["cp.lab".into()])));
    }

    #[test]
    fn the_host_has_its_address() {
        let addresses = |ip: [u8; 4]| Some(Answer::Addresses(vec![ip.into()]));
        assert_eq!(answer("h1.lab", A), addresses([198, 51, 100, 77]));
        assert_eq!(answer("localhost", A), addresses([127, 0, 0, 1]));
        assert_eq!(answer("ads.example", A), addresses([127, 0, 0, 1]));
    }
}
