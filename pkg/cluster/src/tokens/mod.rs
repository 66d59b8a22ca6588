//! Bootstrap tokens: Secrets of `kube-system` in kubeadm's form, each with its signature in `cluster-info`.

mod secret;

use crate::client::{describe, get_opt};
use crate::kubeadm::{KUBE_SYSTEM, add_signatures, remove_signature};
use crate::{Cluster, Error, Verb};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PostParams};
use secret::{SECRET_TYPE, parse_secret, to_secret};
use usernetes_api::constants::BOOTSTRAPPERS_GROUP;
use usernetes_api::{BootstrapTokenSpec, Duration};
use usernetes_pki::BootstrapToken;
use usernetes_pki::token::{self, TokenError};

/// Lifetime of a token when its specification names neither `ttl` nor `expires`.
const DEFAULT_TTL: Duration = Duration::hours(24);
/// Usages of a token; by default it has both.
pub const USAGES: [&str; 2] = ["authentication", "signing"];

/// A bootstrap token with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Id and secret.
    pub token: BootstrapToken,
    /// Human-readable description.
    pub description: String,
    /// Expiry; `None` for a token that never expires.
    pub expires: Option<Timestamp>,
    /// Usages, sorted: `authentication`, `signing`.
    pub usages: Vec<String>,
    /// Groups in addition to `system:bootstrappers`.
    pub groups: Vec<String>,
}

impl TokenInfo {
    /// A token for joining nodes.
    pub fn new(token: BootstrapToken, expires: Option<Timestamp>) -> Self {
        Self {
            token,
            description: String::new(),
            expires,
            usages: USAGES.map(str::to_owned).to_vec(),
            groups: vec![BOOTSTRAPPERS_GROUP.to_owned()],
        }
    }

    /// The token of a validated `bootstrapTokens` entry, with kubeadm's defaults: 24 hours, both usages, the group of
    /// joining nodes. An entry without a token, or with a malformed one, is an error.
    pub fn from_spec(spec: &BootstrapTokenSpec) -> Result<Self, TokenError> {
        let ttl = spec.ttl.unwrap_or(DEFAULT_TTL);
        let mut info = Self::new(spec.token.parse()?, spec.expires.or_else(|| expires_after(ttl)));
        info.description.clone_from(&spec.description);
        if !spec.usages.is_empty() {
            info.usages.clone_from(&spec.usages);
        }
        // Only a token that authenticates has groups, so the default group must not be added to another one.
        if !spec.groups.is_empty() || !info.usages.iter().any(|usage| usage == "authentication") {
            info.groups.clone_from(&spec.groups);
        }
        Ok(info)
    }

    /// Whether `cluster-info` has a signature by it.
    pub fn is_signing(&self) -> bool {
        !self.is_expired() && self.usages.iter().any(|usage| usage == "signing")
    }

    /// Whether it has expired. The controller manager deletes it then.
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= Timestamp::now())
    }
}

/// The moment at which a token with this lifetime expires; `None` for a lifetime of 0, which never ends.
fn expires_after(ttl: Duration) -> Option<Timestamp> {
    (!ttl.0.is_zero()).then(|| Timestamp::now() + ttl.0)
}

impl Cluster {
    /// Creates a token and signs `cluster-info` with it, so that a join does not wait for the controller manager.
    ///
    /// For a token that exists, the other attributes are updated.
    pub async fn create_token(&self, info: &TokenInfo) -> Result<(), Error> {
        let api = self.namespaced::<Secret>(KUBE_SYSTEM);
        let name = info.token.secret_name();
        let object = describe::<Secret>(Some(KUBE_SYSTEM), &name);
        let mut secret = to_secret(info);
        match api.create(&PostParams::default(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let old = api.get(&name).await.map_err(Error::request(Verb::Get, &*object))?;
                if parse_secret(&old).is_none_or(|old| old.token != info.token) {
                    return Err(Error::TokenExists { id: info.token.id().to_owned() });
                }
                secret.metadata.resource_version = old.metadata.resource_version;
                let result = api.replace(&name, &PostParams::default(), &secret).await;
                result.map_err(Error::request(Verb::Apply, object))?;
            }
            result => drop(result.map_err(Error::request(Verb::Create, object))?),
        }
        if info.is_signing() { add_signatures(self, &[&info.token]).await } else { Ok(()) }
    }

    /// All tokens, sorted by id. Secrets that are not valid tokens are left out.
    pub async fn list_tokens(&self) -> Result<Vec<TokenInfo>, Error> {
        let params = ListParams::default().fields(&format!("type={SECRET_TYPE}"));
        let list = self.namespaced::<Secret>(KUBE_SYSTEM).list(&params).await;
        let list = list.map_err(Error::request(Verb::List, format!("Secrets {KUBE_SYSTEM} of type {SECRET_TYPE}")))?;
        let mut tokens: Vec<_> = list.iter().filter_map(parse_secret).collect();
        tokens.sort_by(|a, b| a.token.id().cmp(b.token.id()));
        Ok(tokens)
    }

    /// Deletes a token and its signature.
    pub async fn delete_token(&self, id: &str) -> Result<(), Error> {
        if !token::is_id(id) {
            return Err(Error::NoSuchToken { id: id.to_owned() });
        }
        let api = self.namespaced::<Secret>(KUBE_SYSTEM);
        let name = format!("bootstrap-token-{id}");
        get_opt(&api, Some(KUBE_SYSTEM), &name).await?.ok_or_else(|| Error::NoSuchToken { id: id.to_owned() })?;
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                return Err(Error::NoSuchToken { id: id.to_owned() });
            }
            result => drop(result.map_err(Error::request(Verb::Delete, describe::<Secret>(Some(KUBE_SYSTEM), &name)))?),
        }
        remove_signature(self, id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_gets_kubeadms_defaults() {
        let spec = |yaml: &str| serde_yaml::from_str::<BootstrapTokenSpec>(yaml).expect("a specification");
        let read = |yaml: &str| TokenInfo::from_spec(&spec(yaml));
        let info = read("{token: abcdef.0123456789abcdef}").expect("a token");
        let hours = (info.expires.expect("an end").as_second() - Timestamp::now().as_second() + 60) / 3600;
        assert_eq!(
            (hours, info.usages, info.groups),
            (24, USAGES.map(str::to_owned).to_vec(), vec![BOOTSTRAPPERS_GROUP.to_owned()])
        );
        let info =
            read("{token: abcdef.0123456789abcdef, ttl: 0s, usages: [signing], description: d}").expect("a token");
        assert_eq!(
            (info.expires, info.usages, info.groups, &*info.description),
            (None, vec!["signing".to_owned()], vec![], "d")
        );
        assert_eq!(read("{ttl: 1h}"), Err(TokenError));
    }
}
