//! Round trip, and every single mistake of a copying hand.

use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

fn sample() -> JoinToken {
    JoinToken {
        endpoints: vec!["198.51.100.11:6443".parse().unwrap()],
        ca_cert_hash: CaCertHash([0xAB; 32]),
        token: "abcdef.0123456789abcdef".parse().unwrap(),
        cluster: ClusterName::default(),
        vxlan_port: 8472,
        bundle: BundleIdentity { kubernetes_version: "v1.36.3".into(), sha256: [7; 32] },
    }
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof![
        any::<IpAddr>().prop_map(|a| a.to_string()),
        "[a-z][a-z0-9]{0,20}(\\.[a-z0-9]{1,20}){0,3}".prop_filter("no address", |h| h.parse::<IpAddr>().is_err()),
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| Endpoint { host, port })
}

fn join_token() -> impl Strategy<Value = JoinToken> {
    let name = "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?".prop_map(|s| s.parse::<ClusterName>().unwrap());
    let token = "[a-z0-9]{6}\\.[a-z0-9]{16}".prop_map(|s| s.parse::<BootstrapToken>().unwrap());
    let bundle = ("v1\\.[0-9]{1,2}\\.[0-9]{1,2}(-rc\\.[0-9])?", any::<[u8; 32]>());
    let fields = (proptest::collection::vec(endpoint(), 1..=16), any::<[u8; 32]>(), token, name, any::<u16>(), bundle);
    fields.prop_map(|(endpoints, hash, token, cluster, vxlan_port, (kubernetes_version, sha256))| JoinToken {
        endpoints,
        ca_cert_hash: CaCertHash(hash),
        token,
        cluster,
        vxlan_port,
        bundle: BundleIdentity { kubernetes_version, sha256 },
    })
}

fn text(token: &JoinToken) -> String {
    token.encode().unwrap().expose().to_owned()
}

fn parse(text: &str) -> Result<JoinToken, JoinTokenError> {
    text.parse()
}

#[test]
fn looks_like_this() {
    insta::assert_snapshot!(text(&sample()), @"u7s1.AG8A9L2pf9H2oUOVdt7Fsderq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqwd2MS4zNi4zBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHZGVmYXVsdCEYAQTGM2QLGSvWLkzq");
    assert_eq!(text(&sample()).len(), 153);
}

#[test]
fn white_space_around_is_forgiven() {
    assert_eq!(parse(&format!("  {}\n", text(&sample()))), Ok(sample()));
}

#[test]
fn every_truncation_is_called_one() {
    let whole = text(&sample());
    for end in PREFIX.len()..whole.len() {
        let error = parse(&whole[..end]).unwrap_err();
        assert!(matches!(error, JoinTokenError::Truncated { found, .. } if found == end), "{end}: {error}");
    }
    for end in 0..PREFIX.len() {
        assert_eq!(parse(&whole[..end]), Err(JoinTokenError::NotAToken), "{end}");
    }
}

#[test]
fn every_changed_lost_or_doubled_character_is_seen() {
    let whole = text(&sample());
    for at in 0..whole.len() {
        for c in (b' '..=b'~').map(char::from).filter(|c| !whole[at..].starts_with(*c)) {
            let changed = format!("{}{c}{}", &whole[..at], &whole[at + 1..]);
            // A blank at either end is white space around a truncated string.
            assert!(parse(&changed).is_err(), "{changed}");
        }
        let lost = format!("{}{}", &whole[..at], &whole[at + 1..]);
        assert!(parse(&lost).is_err(), "{lost}");
        let doubled = format!("{}{}", &whole[..=at], &whole[at..]);
        assert!(parse(&doubled).is_err(), "{doubled}");
    }
}

#[test]
fn errors_are_told_apart() {
    let whole = text(&sample());
    assert_eq!(parse("abcdef.0123456789abcdef"), Err(JoinTokenError::NotAToken));
    assert_eq!(parse(&whole.replacen("u7s1", "u7s2", 1)), Err(JoinTokenError::UnknownVersion(2)));
    let mut changed = whole.clone();
    changed.replace_range(40..41, if &whole[40..41] == "A" { "B" } else { "A" });
    assert_eq!(parse(&changed), Err(JoinTokenError::Checksum));
    assert_eq!(parse(&format!("{whole}AAAA")), Err(JoinTokenError::Checksum));
}

#[test]
fn only_what_reads_back_is_written() {
    let none = JoinToken { endpoints: vec![], ..sample() };
    assert_eq!(none.encode(), Err(JoinTokenError::Content("number of endpoints")));
    let long = JoinToken { endpoints: vec![Endpoint { host: "a".repeat(300), port: 1 }], ..sample() };
    assert_eq!(long.encode(), Err(JoinTokenError::Content("endpoint")));
}

#[test]
fn debug_hides_the_secret() {
    assert!(!format!("{:?}", sample()).contains("0123456789abcdef"));
}

proptest! {
    #[test]
    fn round_trip(token in join_token()) {
        let text = text(&token);
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{}", text);
        prop_assert_eq!(parse(&text), Ok(token));
    }

    #[test]
    fn one_change_is_seen(token in join_token(), at: prop::sample::Index, c in "[A-Za-z0-9_-]") {
        let whole = text(&token);
        let at = at.index(whole.len());
        prop_assume!(!whole[at..].starts_with(&c));
        let changed = format!("{}{c}{}", &whole[..at], &whole[at + 1..]);
        prop_assert!(parse(&changed).is_err());
    }

    #[test]
    fn never_panics(payload in "[A-Za-z0-9_-]{0,200}", other: String) {
        let _ = parse(&format!("{PREFIX}{payload}"));
        let _ = parse(&other);
    }
}
