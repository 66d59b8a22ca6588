//! Reads a certificate request: its subject and names, and whether the requester holds the key.

use crate::load::parse_address;
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

/// What a certificate request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Common names of its subject.
    pub common_names: Vec<String>,
    /// Organizations of its subject.
    pub organizations: Vec<String>,
    /// DNS names.
    pub names: BTreeSet<String>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Whether it names anything else: mail addresses, URIs, other parts of a subject.
    pub more: bool,
}

impl CertificateRequest {
    /// Reads one; `None` if it is not exactly one, or if it is not signed with the key that it is about.
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let blocks: Vec<Pem> = Pem::iter_from_buffer(pem).collect::<Result<_, _>>().ok()?;
        let [block] = blocks.as_slice() else { return None };
        let (rest, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
        if !rest.is_empty() || !block.label.ends_with("CERTIFICATE REQUEST") || request.verify_signature().is_err() {
            return None;
        }
        let mut read = Self::default();
        for attribute in request.certification_request_info.subject.iter_attributes() {
            let list = match attribute.attr_type() {
                kind if *kind == OID_X509_COMMON_NAME => &mut read.common_names,
                kind if *kind == OID_X509_ORGANIZATION_NAME => &mut read.organizations,
                _ => {
                    read.more = true;
                    continue;
                }
            };
            list.push(attribute.as_str().ok()?.to_owned());
        }
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(san) = extension {
                san.general_names.iter().for_each(|name| read.add_name(name));
            }
        }
        Some(read)
    }

    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => drop(self.names.insert((*name).to_owned())),
            GeneralName::IPAddress(bytes) => match parse_address(bytes) {
                Some(address) => drop(self.addresses.insert(address)),
                None => self.more = true,
            },
            _ => self.more = true,
        }
    }
}

/// Subject of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateSubject {
    /// Common names.
    pub common_names: Vec<String>,
    /// Organizations.
    pub organizations: Vec<String>,
}

/// The subject of a certificate in DER form; `None` if it is not one.
pub fn subject_of(der: &[u8]) -> Option<CertificateSubject> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let read = |text: &AttributeTypeAndValue<'_>| text.as_str().ok().map(str::to_owned);
    Some(CertificateSubject {
        common_names: subject.iter_common_name().filter_map(read).collect(),
        organizations: subject.iter_organization().filter_map(read).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn pem(change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(DnType::CommonName, "system:node:host1");
        params.subject_alt_names =
            vec![SanType::DnsName("host1".try_into().unwrap()), SanType::IpAddress("198.51.100.11".parse().unwrap())];
        change(&mut params);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn whom_it_names() {
        let read = CertificateRequest::parse(pem(|_| {}).as_bytes()).unwrap();
        let wanted = CertificateRequest {
            common_names: vec!["system:node:host1".to_owned()],
            organizations: vec!["system:nodes".to_owned()],
            names: ["host1".to_owned()].into(),
            addresses: ["198.51.100.11".parse().unwrap()].into(),
            more: false,
        };
        assert_eq!(read, wanted);
    }

    #[test]
    fn anything_else_is_noticed() {
        let more = |change: fn(&mut CertificateParams)| CertificateRequest::parse(pem(change).as_bytes()).unwrap().more;
        assert!(more(|p| p.subject_alt_names.push(SanType::URI("spiffe://a".try_into().unwrap()))));
        assert!(more(|p| p.subject_alt_names.push(SanType::Rfc822Name("a@b".try_into().unwrap()))));
        assert!(more(|p| p.distinguished_name.push(DnType::OrganizationalUnitName, "x")));
        assert!(!more(|_| {}));
    }

    #[test]
    fn not_a_request() {
        let good = pem(|_| {});
        assert_eq!(CertificateRequest::parse(b""), None);
        assert_eq!(CertificateRequest::parse((good.clone() + &good).as_bytes()), None, "two");
        let other = Pem::iter_from_buffer(good.as_bytes()).next().unwrap().unwrap().contents;
        let mut forged = other.clone();
        // A letter of the name, which the signature covers.
        let at = forged.windows(5).position(|w| w == b"host1").unwrap();
        forged[at] = b'g';
        let text = |der: &[u8]| {
            use base64::Engine as _;
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n")
        };
        assert!(CertificateRequest::parse(text(&other).as_bytes()).is_some());
        assert_eq!(CertificateRequest::parse(text(&forged).as_bytes()), None);
    }
}
