//! The Secret of a bootstrap token.

use super::TokenInfo;
use crate::kubeadm::KUBE_SYSTEM;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;
use usernetes_pki::BootstrapToken;

/// Type of the Secrets.
pub(super) const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const USAGE_PREFIX: &str = "usage-bootstrap-";

pub(super) fn to_secret(info: &TokenInfo) -> Secret {
    let mut data: BTreeMap<String, String> = BTreeMap::from([
        ("token-id".to_owned(), info.token.id().to_owned()),
        ("token-secret".to_owned(), info.token.secret().expose().to_owned()),
    ]);
    if !info.description.is_empty() {
        data.insert("description".to_owned(), info.description.clone());
    }
    if let Some(expires) = info.expires {
        // The token cleaner reads RFC 3339 in whole seconds.
        data.insert("expiration".to_owned(), expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    if !info.groups.is_empty() {
        data.insert("auth-extra-groups".to_owned(), info.groups.join(","));
    }
    data.extend(info.usages.iter().map(|usage| (format!("{USAGE_PREFIX}{usage}"), "true".to_owned())));
    Secret {
        metadata: ObjectMeta {
            name: Some(info.token.secret_name()),
            namespace: Some(KUBE_SYSTEM.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        // `data` and not `stringData`, so that replacing the object removes keys.
        data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))).collect()),
        ..Secret::default()
    }
}

pub(super) fn parse_secret(secret: &Secret) -> Option<TokenInfo> {
    let data = secret.data.as_ref()?;
    let token = BootstrapToken::new(text_of(data, "token-id")?, text_of(data, "token-secret")?).ok()?;
    if secret.name_any() != token.secret_name() {
        return None;
    }
    let expires = match text_of(data, "expiration") {
        None | Some("") => None,
        Some(time) => Some(time.parse().ok()?),
    };
    Some(TokenInfo {
        token,
        description: text_of(data, "description").unwrap_or_default().to_owned(),
        expires,
        usages: data
            .keys()
            .filter(|key| text_of(data, key) == Some("true"))
            .filter_map(|key| Some(key.strip_prefix(USAGE_PREFIX)?.to_owned()))
            .collect(),
        groups: text_of(data, "auth-extra-groups")
            .map(|groups| groups.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}

fn text_of<'a>(data: &'a BTreeMap<String, ByteString>, key: &str) -> Option<&'a str> {
    data.get(key).and_then(|value| std::str::from_utf8(&value.0).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_info() -> TokenInfo {
        let token = BootstrapToken::new("abcdef", "0123456789abcdef").expect("a token");
        TokenInfo {
            description: "for the tests".to_owned(),
            ..TokenInfo::new(token, Some("2026-11-24T01:02:03.9Z".parse().expect("a time")))
        }
    }

    #[test]
    fn secret_in_kubeadms_form() {
        let secret = to_secret(&token_info());
        let data: BTreeMap<_, _> =
            secret.data.iter().flatten().map(|(k, v)| (k, String::from_utf8_lossy(&v.0))).collect();
        insta::assert_debug_snapshot!(data, @r#"
        {
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
            "description": "for the tests",
            "expiration": "2026-11-24T01:02:03Z",
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
        }
        "#);
        assert_eq!(secret.name_any(), "bootstrap-token-abcdef");
    }

    #[test]
    fn a_secret_is_read_as_written() {
        let mut full = token_info();
        full.expires = Some("2026-11-24T01:02:03Z".parse().expect("a time"));
        assert_eq!(parse_secret(&to_secret(&full)), Some(full.clone()));
        let bare = TokenInfo { description: String::new(), expires: None, usages: vec![], groups: vec![], ..full };
        assert_eq!(parse_secret(&to_secret(&bare)), Some(bare));
    }

    #[test]
    fn a_secret_under_another_name_is_no_token() {
        let mut secret = to_secret(&token_info());
        secret.metadata.name = Some("bootstrap-token-fedcba".to_owned());
        assert_eq!(parse_secret(&secret), None);
    }
}
