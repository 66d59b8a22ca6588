//! Reading certificates and asking whether they are good.

use crate::problem::Problem;
use crate::spec::{Sans, Usage};
use jiff::Timestamp;
use rcgen::KeyPair;
use std::net::IpAddr;
use std::path::Path;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

/// The certificates of a file: the one in question, then whatever lies between it and its CA.
#[derive(Clone, Debug)]
pub(crate) struct Chain(Vec<Vec<u8>>);

fn is_whole_certificate(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
}

impl Chain {
    /// `None` unless it holds at least one certificate and nothing but whole ones.
    pub(crate) fn parse(pem: &str) -> Option<Self> {
        let blocks: Vec<Pem> = Pem::iter_from_buffer(pem.as_bytes()).collect::<Result<_, _>>().ok()?;
        let ders: Vec<_> = blocks.into_iter().filter(|b| b.label == "CERTIFICATE").map(|b| b.contents).collect();
        (!ders.is_empty() && ders.iter().all(|der| is_whole_certificate(der))).then_some(Self(ders))
    }

    /// DER of the certificate in question.
    pub(crate) fn der(&self) -> &[u8] {
        &self.0[0]
    }

    /// The certificate in question.
    pub(crate) fn first(&self) -> X509Certificate<'_> {
        parse_der(&self.0[0])
    }

    fn certificates(&self) -> impl Iterator<Item = X509Certificate<'_>> {
        self.0.iter().map(|der| parse_der(der))
    }

    /// Whether it expired or is not valid yet.
    pub(crate) fn check_period(&self, now: Timestamp) -> Result<(), Problem> {
        let from = self.not_before();
        let to = self.not_after();
        if now < from {
            return Err(Problem::NotYet(from));
        }
        if now > to { Err(Problem::Expired(to)) } else { Ok(()) }
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        to_timestamp(self.first().validity().not_before.timestamp())
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        to_timestamp(self.first().validity().not_after.timestamp())
    }

    /// Whether `key` is the certificate's; `path` is the key's, for the message.
    pub(crate) fn check_key(&self, key: &KeyPair, path: &Path) -> Result<(), Problem> {
        if self.spki() == crate::keys::spki(key) { Ok(()) } else { Err(Problem::Key(path.to_owned())) }
    }

    /// SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> Vec<u8> {
        self.first().public_key().raw.to_vec()
    }

    /// Whether it was signed by a certificate of `ca`, directly or through its own intermediates; `path` is the CA's.
    pub(crate) fn check_signer(&self, ca: &Self, path: &Path) -> Result<(), Problem> {
        let mut between: Vec<_> = self.certificates().skip(1).collect();
        let mut current = self.first();
        loop {
            if ca.certificates().any(|ca| is_signed_by(&current, &ca)) {
                return Ok(());
            }
            let Some(next) = between.iter().position(|c| c.is_ca() && is_signed_by(&current, c)) else {
                return Err(Problem::Signer(path.to_owned()));
            };
            current = between.swap_remove(next);
        }
    }

    /// Whether it is good for every wanted name and address.
    pub(crate) fn check_sans(&self, wanted: &Sans) -> Result<(), Problem> {
        let have = self.sans();
        let names = wanted.names.iter().filter(|name| !covers_name(&have, name)).cloned();
        let addresses = wanted.addresses.difference(&have.addresses).map(ToString::to_string);
        let missing: Vec<String> = names.chain(addresses).collect();
        if missing.is_empty() { Ok(()) } else { Err(Problem::Sans(missing.join(", "))) }
    }

    /// Its DNS names and addresses.
    pub(crate) fn sans(&self) -> Sans {
        let mut sans = Sans::default();
        let first = self.first();
        let Ok(Some(extension)) = first.subject_alternative_name() else {
            return sans;
        };
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => drop(sans.names.insert((*name).to_owned())),
                GeneralName::IPAddress(bytes) => sans.addresses.extend(parse_address(bytes)),
                _ => {}
            }
        }
        sans
    }

    /// Its extended usages, as far as Kubernetes knows them.
    pub(crate) fn usages(&self) -> Vec<Usage> {
        let first = self.first();
        let Ok(Some(extension)) = first.extended_key_usage() else {
            return Vec::new();
        };
        let known = [(Usage::Server, extension.value.server_auth), (Usage::Client, extension.value.client_auth)];
        known.into_iter().filter(|(_, set)| *set).map(|(usage, _)| usage).collect()
    }

    /// Whether `other` has one of its certificates.
    pub(crate) fn shares_certificate(&self, other: &Self) -> bool {
        self.0.iter().any(|der| other.0.contains(der))
    }
}

fn parse_der(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).expect("parsed when it was loaded").1
}

fn is_signed_by(certificate: &X509Certificate<'_>, by: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == by.subject().as_raw()
        && certificate.verify_signature(Some(by.public_key())).is_ok()
}

fn to_timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

pub(crate) fn parse_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// A wildcard stands for exactly one label, as TLS clients have it.
fn covers_name(have: &Sans, name: &str) -> bool {
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    have.names.contains(name) || wildcard.is_some_and(|w| have.names.contains(&w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::{self, Subject};
    use crate::keys;
    use jiff::ToSpan as _;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
    use std::time::Duration;
    use usernetes_api::EncryptionAlgorithm::EcdsaP256;

    const HOUR: Duration = Duration::from_hours(1);

    fn root() -> (Chain, KeyPair) {
        let key = keys::generate(EcdsaP256).unwrap();
        let pem = issue::authority("root", &key, HOUR).unwrap().pem();
        (Chain::parse(&pem).unwrap(), key)
    }

    fn issuer(chain: &Chain, key: KeyPair) -> Issuer<'static, KeyPair> {
        Issuer::from_ca_cert_der(&chain.der().into(), key).unwrap()
    }

    #[test]
    fn period() {
        let (chain, _) = root();
        let now = Timestamp::now();
        assert_eq!(chain.check_period(now), Ok(()));
        assert_eq!(chain.check_period(now - 4.minutes()), Ok(()));
        assert_eq!(chain.check_period(now - 6.minutes()), Err(Problem::NotYet(chain.not_before())));
        assert_eq!(chain.check_period(now + 61.minutes()), Err(Problem::Expired(chain.not_after())));
    }

    /// An external CA often signs through another one, whose certificate stands behind the leaf's.
    #[test]
    fn through_an_intermediate() {
        let (root, root_key) = root();
        let between_key = keys::generate(EcdsaP256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let between = params.signed_by(&between_key, &issuer(&root, root_key)).unwrap().pem();
        let chain = Chain::parse(&between).unwrap();
        let subject = Subject::new("leaf", None, &[Usage::Client], Sans::default());
        let key = keys::generate(EcdsaP256).unwrap();
        let leaf = issue::leaf(subject, &key, &chain, &issuer(&chain, between_key), HOUR).unwrap().pem();
        let path = Path::new("ca.crt");
        let check = |pem: &str| Chain::parse(pem).unwrap().check_signer(&root, path);
        assert_eq!(check(&format!("{leaf}{between}")), Ok(()));
        assert_eq!(check(&leaf), Err(Problem::Signer(path.into())));
        let (other, _) = self::root();
        let verdict = Chain::parse(&format!("{leaf}{between}")).unwrap().check_signer(&other, path);
        assert_eq!(verdict, Err(Problem::Signer(path.into())));
    }

    #[test]
    fn nonsense_is_no_chain() {
        for text in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(Chain::parse(text).is_none(), "{text}");
        }
        let key = keys::generate(EcdsaP256).unwrap();
        assert!(Chain::parse(&key.serialize_pem()).is_none());
        let openssl = format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
            key.serialize_pem()
        );
        assert_eq!(keys::parse_private(&openssl).map(|k| keys::spki(&k)), Some(keys::spki(&key)));
    }
}
