//! Making certificates.

use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{Sans, Usage};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use std::time::Duration;
use time::OffsetDateTime;

/// A small clock difference between hosts must not make a new certificate invalid.
const BACKDATE: Duration = Duration::from_mins(5);
/// RFC 5280's "no end"; later moments cannot be written.
const NO_END: i64 = 253_402_300_799;

/// Subject, usages and names of a certificate.
pub(crate) struct Subject {
    pub(crate) name: DistinguishedName,
    pub(crate) usages: Vec<Usage>,
    pub(crate) sans: Sans,
}

impl Subject {
    pub(crate) fn new(common_name: &str, organization: Option<&str>, usages: &[Usage], sans: Sans) -> Self {
        let mut name = DistinguishedName::new();
        if let Some(organization) = organization {
            name.push(DnType::OrganizationName, organization);
        }
        name.push(DnType::CommonName, common_name);
        Self { name, usages: usages.to_vec(), sans }
    }

    /// The one of an existing certificate.
    pub(crate) fn of(chain: &Chain) -> Result<Self, Problem> {
        let certificate = chain.first();
        let mut name = DistinguishedName::new();
        for attribute in certificate.subject().iter_attributes() {
            let oid: Vec<u64> = attribute.attr_type().iter().map(Iterator::collect).unwrap_or_default();
            let kind = DnType::from_oid(&oid);
            let value = attribute.as_str().map_err(|_| Problem::Subject)?;
            // The library holds an attribute once; losing a group silently would take rights away.
            if name.get(&kind).is_some() {
                return Err(Problem::Subject);
            }
            name.push(kind, value);
        }
        Ok(Self { name, usages: chain.usages(), sans: chain.sans() })
    }
}

/// A new CA.
pub(crate) fn authority(common_name: &str, key: &KeyPair, validity: Duration) -> Result<Certificate, rcgen::Error> {
    let now = now_in_seconds();
    let sans = Sans { names: [common_name.to_owned()].into(), ..Sans::default() };
    let mut params = certificate_params(Subject::new(common_name, None, &[], sans))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.not_before = now - BACKDATE;
    params.not_after = end_of_validity(now, validity);
    params.self_signed(key)
}

/// A new leaf, valid from its CA's first moment on.
pub(crate) fn leaf(
    subject: Subject,
    key: &KeyPair,
    ca: &Chain,
    issuer: &Issuer<'_, KeyPair>,
    validity: Duration,
) -> Result<Certificate, rcgen::Error> {
    let mut params = certificate_params(subject)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.not_before = ca.first().validity().not_before.to_datetime();
    params.not_after = end_of_validity(now_in_seconds(), validity);
    params.signed_by(key, issuer)
}

fn certificate_params(subject: Subject) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.name;
    params.serial_number = Some(random_serial());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = subject.usages.iter().map(|usage| key_purpose(*usage)).collect();
    for name in subject.sans.names {
        params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    params.subject_alt_names.extend(subject.sans.addresses.into_iter().map(SanType::IpAddress));
    Ok(params)
}

fn key_purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

/// Positive, 63 bits.
fn random_serial() -> SerialNumber {
    rand::random_range(1..i64::MAX.cast_unsigned()).into()
}

/// Certificates know whole seconds.
fn now_in_seconds() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

fn end_of_validity(now: OffsetDateTime, validity: Duration) -> OffsetDateTime {
    let span = time::Duration::try_from(validity).unwrap_or(time::Duration::MAX);
    let no_end = OffsetDateTime::from_unix_timestamp(NO_END).unwrap_or(now);
    now.checked_add(span).map_or(no_end, |end| end.min(no_end))
}
