//! DNS messages (RFC 1035), as far as a name server needs them that forwards all but a few.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER: usize = 12;
const CLASS_IN: u16 = 1;
/// Of the flags; 0 is a standard query.
const OPCODE: u16 = 0x7800;
/// Seconds that an answer from `/etc/hosts` may be cached: the file may change.
const TTL: u32 = 5;
/// A pointer to the question's name.
const POINTER: [u8; 2] = [0xc0, 12];

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const AAAA: u16 = 28;
pub(super) const SVCB: u16 = 64;
pub(super) const HTTPS: u16 = 65;

/// The only question of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Name in lower case, without the last dot.
    pub(super) name: String,
    /// Type of the records.
    pub(super) kind: u16,
    /// End of the question in the message.
    end: usize,
    /// Whether it is a standard query of the Internet's class.
    pub(super) is_standard: bool,
}

/// Data of records of the question's type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Records of type A or AAAA, or none.
    Addresses(Vec<IpAddr>),
    /// Records of type PTR.
    Names(Vec<String>),
}

impl Question {
    /// Reads the question of a request; `None` if the message is none, or malformed.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let flags = read_u16(message, 2)?;
        if flags & 0x8000 != 0 || read_u16(message, 4)? != 1 {
            return None;
        }
        let mut name = Vec::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            match length {
                0 => break,
                1..=63 => {
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    name.extend(message.get(at..at + length)?);
                    at += length;
                }
                // A question's name has no pointers.
                _ => return None,
            }
        }
        let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
        let (kind, class) = (read_u16(message, at)?, read_u16(message, at + 2)?);
        let is_standard = flags & OPCODE == 0 && class == CLASS_IN;
        Some(Self { name, kind, end: at + 4, is_standard })
    }

    /// The address that a question about a PTR record has in its name.
    pub(super) fn reverse_address(&self) -> Option<IpAddr> {
        if let Some(labels) = self.name.strip_suffix(".in-addr.arpa") {
            let octets: Vec<u8> = labels.rsplit('.').map(|label| label.parse().ok()).collect::<Option<_>>()?;
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into());
        }
        let labels = self.name.strip_suffix(".ip6.arpa")?;
        let nibbles: Vec<u8> =
            labels.rsplit('.').map(|label| u8::from_str_radix(label, 16).ok()).collect::<Option<_>>()?;
        let bits = nibbles.iter().fold(0_u128, |bits, nibble| bits << 4 | u128::from(nibble & 0xf));
        (nibbles.len() == 32).then(|| Ipv6Addr::from(bits).into())
    }

    /// The response to `request` with these records.
    pub(super) fn render_answer(&self, request: &[u8], answer: &Answer) -> Vec<u8> {
        const NO_ERROR: u8 = 0;
        let records: Vec<Vec<u8>> = match answer {
            Answer::Addresses(addresses) => addresses.iter().copied().map(encode_address).collect(),
            Answer::Names(names) => names.iter().filter_map(|name| encode_name(name)).collect(),
        };
        let mut message = self.render_header(request, NO_ERROR);
        let mut count: u16 = 0;
        for data in &records {
            let record = self.render_record(data);
            // What every client takes without EDNS.
            if message.len() + record.len() > 512 {
                break;
            }
            message.extend(record);
            count += 1;
        }
        message[6..8].copy_from_slice(&count.to_be_bytes());
        message
    }

    /// The response that no resolver of the host has answered.
    pub(super) fn render_failure(&self, request: &[u8]) -> Vec<u8> {
        const SERVFAIL: u8 = 2;
        self.render_header(request, SERVFAIL)
    }

    /// Header and question of a response without records: recursion is available, and the client's wish is repeated.
    fn render_header(&self, request: &[u8], code: u8) -> Vec<u8> {
        let mut message = request[..self.end].to_vec();
        message[2] = 0x80 | message[2] & 0x79;
        message[3] = 0x80 | code;
        message[6..HEADER].fill(0);
        message
    }

    fn render_record(&self, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap_or_default();
        let mut record = POINTER.to_vec();
        record.extend(self.kind.to_be_bytes());
        record.extend(CLASS_IN.to_be_bytes());
        record.extend(TTL.to_be_bytes());
        record.extend(length.to_be_bytes());
        record.extend(data);
        record
    }
}

fn encode_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn encode_name(name: &str) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        encoded.push(length);
        encoded.extend(label.bytes());
    }
    encoded.push(0);
    Some(encoded)
}

/// Whether a response settles the question; after the others, the next resolver is tried, as glibc does.
pub(super) fn is_conclusive(response: &[u8]) -> bool {
    const SERVFAIL: u8 = 2;
    const NOTIMP: u8 = 4;
    const REFUSED: u8 = 5;
    response.get(3).is_some_and(|flags| ![SERVFAIL, NOTIMP, REFUSED].contains(&(flags & 0xf)))
}

fn read_u16(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn request(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(encode_name(name).expect("a name"));
        message.extend([kind.to_be_bytes(), CLASS_IN.to_be_bytes()].concat());
        message
    }

    #[test]
    fn a_request_and_its_answer() {
        // With an EDNS record behind the question.
        let message = [request("Nas.Lab", A), vec![0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]].concat();
        let question = Question::parse(&message).expect("a request");
        assert_eq!((question.name.as_str(), question.kind, question.is_standard), ("nas.lab", A, true));
        let answer = question.render_answer(&message, &Answer::Addresses(vec![[192, 0, 2, 1].into()]));
        assert_eq!(answer[..12], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert!(answer.ends_with(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 1]));
        assert!(is_conclusive(&answer) && !is_conclusive(&question.render_failure(&message)));
        assert_eq!(Question::parse(&answer), None, "a response");
    }

    #[test]
    fn addresses_in_names() {
        let of = |name: &str| Question::parse(&request(name, PTR)).expect("a request").reverse_address();
        assert_eq!(of("1.2.0.192.in-addr.arpa"), Some([192, 0, 2, 1].into()));
        assert_eq!(of("2.0.192.in-addr.arpa"), None);
        let ip: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        let nibbles: Vec<_> = format!("{:032x}", ip.to_bits()).chars().rev().map(String::from).collect();
        assert_eq!(of(&format!("{}.ip6.arpa", nibbles.join("."))), Some(ip.into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(message: Vec<u8>, count in 0_usize..300) {
            if let Some(question) = Question::parse(&message) {
                let _ = question.reverse_address();
                let addresses = vec![IpAddr::from([192, 0, 2, 1]); count];
                let answer = question.render_answer(&message, &Answer::Addresses(addresses));
                prop_assert!(answer.len() <= 512.max(question.end));
                let _ = question.render_failure(&message);
            }
            let _ = is_conclusive(&message);
        }
    }
}
