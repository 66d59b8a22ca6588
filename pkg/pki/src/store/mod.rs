//! Creates the certificates of a PKI directory: valid ones are kept, missing ones created, invalid ones are errors.
//!
//! Everything is read and checked, and every new certificate made, before the first file is written.

mod error;
pub(crate) mod pair;
mod service_account;

use crate::issue::{self, Subject};
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{self, CERTIFICATES, CertSpec, SERVICE_ACCOUNT};
use crate::{CertParams, keys};
pub use error::PkiError;
use pair::{Authority, NewPair, Pair};
use rcgen::KeyPair;
use service_account::ServiceAccount;
use std::path::Path;

/// What was done about one certificate, key pair or kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It, or half of it, was not there and was made.
    Made,
    /// It was there and is valid.
    Kept,
    /// It was there and is valid; the key of its CA, or its own as a CA, is elsewhere.
    KeptExternal,
}

/// What was done about one certificate, key pair or kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name, such as `etcd-server`, `sa` or `admin.conf`.
    pub name: &'static str,
    /// What was done.
    pub action: Action,
}

/// Brings the whole tree in line, service-account key included: certificates in the table's order, then `sa`.
pub fn ensure_all(pki_dir: &Path, params: &CertParams) -> Result<Vec<Outcome>, PkiError> {
    let pairs: Vec<_> = CERTIFICATES.iter().map(|spec| Pair::read(pki_dir, spec)).collect::<Result<_, _>>()?;
    let account = ServiceAccount::read(pki_dir)?;
    let mut keys = spare_keys(&pairs, &account, params)?;
    let mut spare = || keys.pop().expect("one was made for every pair that needs it");

    let mut authorities: Vec<Authority> = Vec::new();
    let mut done = Vec::new();
    for pair in pairs {
        let step = match pair.spec.ca {
            None => {
                let (authority, step) = ensure_authority(pair, params, &mut spare)?;
                authorities.push(authority);
                step
            }
            Some(ca) => ensure_leaf(pair, find_authority(&authorities, ca), params, &mut spare)?,
        };
        done.push(step);
    }
    let mut outcomes: Vec<_> = done.into_iter().map(Step::commit).collect::<Result<_, _>>()?;
    outcomes.push(account.write(spare)?);
    Ok(outcomes)
}

/// Brings one certificate in line, or `sa`; its CA must be there.
pub fn ensure(pki_dir: &Path, name: &str, params: &CertParams) -> Result<Outcome, PkiError> {
    if name == SERVICE_ACCOUNT {
        let account = ServiceAccount::read(pki_dir)?;
        let mut keys = spare_keys(&[], &account, params)?;
        return account.write(|| keys.pop().expect("made if needed"));
    }
    let spec = spec::find(name).ok_or_else(|| unknown_name(name))?;
    let pair = Pair::read(pki_dir, spec)?;
    let new_key = pair.needs_key().then(|| keys::generate(params.policy.algorithm));
    let mut key = new_key.transpose().map_err(|e| make_error(spec, e))?;
    let mut spare = || key.take().expect("made if needed");
    let step = match spec.ca {
        None => ensure_authority(pair, params, &mut spare)?.1,
        Some(ca) => ensure_leaf(pair, &Authority::load(pki_dir, by_name(ca))?, params, &mut spare)?,
    };
    step.commit()
}

/// A pair after it was decided about.
struct Step {
    name: &'static str,
    action: Action,
    new: Option<NewPair>,
}

impl Step {
    fn made(spec: &CertSpec, new: NewPair) -> Self {
        Self { name: spec.name, action: Action::Made, new: Some(new) }
    }

    fn kept(spec: &CertSpec, external: bool) -> Self {
        Self { name: spec.name, action: if external { Action::KeptExternal } else { Action::Kept }, new: None }
    }

    fn commit(self) -> Result<Outcome, PkiError> {
        self.new.map_or(Ok(()), NewPair::write)?;
        Ok(Outcome { name: self.name, action: self.action })
    }
}

/// Keys for all that lack one, made together. A leaf whose CA's key is elsewhere fails before it would take one.
fn spare_keys(pairs: &[Pair], account: &ServiceAccount, params: &CertParams) -> Result<Vec<KeyPair>, PkiError> {
    let count = pairs.iter().filter(|p| p.needs_key()).count() + usize::from(account.needs_key());
    let name = pairs.iter().find(|p| p.needs_key()).map_or(SERVICE_ACCOUNT, |p| p.spec.name);
    keys::generate_many(params.policy.algorithm, count).map_err(|source| PkiError::Make { name, source })
}

fn ensure_authority(
    mut pair: Pair,
    params: &CertParams,
    spare: &mut impl FnMut() -> KeyPair,
) -> Result<(Authority, Step), PkiError> {
    let spec = pair.spec;
    if let Some(chain) = pair.chain.take() {
        pair.check_alone(&chain)?;
        let authority = Authority::from_pair(pair, chain, false)?;
        let step = Step::kept(spec, authority.issuer.is_none());
        return Ok((authority, step));
    }
    let key = pair.private.take();
    let new = key.is_none();
    let key = key.unwrap_or_else(spare);
    let pem = issue::authority(spec.common_name(params), &key, params.policy.ca_validity);
    let pem = pem.map_err(|e| make_error(spec, e))?.pem();
    let chain = Chain::parse(&pem).expect("just made");
    let secret = new.then(|| (pair.key.clone(), key.serialize_pem()));
    let step = Step::made(spec, NewPair { key: secret, crt: pair.crt.clone(), pem });
    pair.private = Some(key);
    Ok((Authority::from_pair(pair, chain, true)?, step))
}

fn ensure_leaf(
    mut pair: Pair,
    ca: &Authority,
    params: &CertParams,
    spare: &mut impl FnMut() -> KeyPair,
) -> Result<Step, PkiError> {
    let spec = pair.spec;
    if let Some(chain) = pair.chain.take() {
        check_leaf(&pair, &chain, ca, params)?;
        return Ok(Step::kept(spec, ca.issuer.is_none()));
    }
    let Some(issuer) = &ca.issuer else {
        return Err(PkiError::External { path: pair.crt, key: ca.key.clone() });
    };
    let subject = Subject::new(spec.common_name(params), None, spec.usages, spec.sans(params));
    let (key, new) = pair.private.take().map_or_else(|| (spare(), true), |key| (key, false));
    let pem =
        issue::leaf(subject, &key, &ca.chain, issuer, params.policy.validity).map_err(|e| make_error(spec, e))?.pem();
    let secret = new.then(|| (pair.key, key.serialize_pem()));
    Ok(Step::made(spec, NewPair { key: secret, crt: pair.crt, pem }))
}

fn check_leaf(pair: &Pair, chain: &Chain, ca: &Authority, params: &CertParams) -> Result<(), PkiError> {
    if pair.private.is_none() {
        return Err(pair.invalid(&pair.crt, Problem::Half(pair.key.clone())));
    }
    pair.check_alone(chain)?;
    let signer = chain.check_signer(&ca.chain, &ca.crt);
    let verdict = if ca.new { signer.map_err(|_| Problem::Half(ca.crt.clone())) } else { signer };
    let verdict = verdict.and_then(|()| chain.check_sans(&pair.spec.sans(params)));
    verdict.map_err(|problem| pair.invalid(&pair.crt, problem))
}

fn find_authority<'a>(authorities: &'a [Authority], name: &str) -> &'a Authority {
    authorities.iter().find(|a| a.name == name).expect("a CA comes before the certificates that it signs")
}

pub(crate) fn by_name(name: &str) -> &'static CertSpec {
    spec::find(name).expect("a name of the table")
}

fn make_error(spec: &CertSpec, source: rcgen::Error) -> PkiError {
    PkiError::Make { name: spec.name, source }
}

fn unknown_name(name: &str) -> PkiError {
    let known: Vec<_> = CERTIFICATES.iter().map(|s| s.name).chain([SERVICE_ACCOUNT]).collect();
    PkiError::Unknown { name: name.to_owned(), known: known.join(", ") }
}
