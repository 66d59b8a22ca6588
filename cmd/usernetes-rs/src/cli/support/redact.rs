//! Takes secrets out of a text.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What is left out. The groups, the part before and one after it, stay.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // PEM of private keys.
        r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        // JSON Web Tokens, such as those of ServiceAccounts.
        r"()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*",
        // Join tokens, and bootstrap tokens but for their id.
        r"(\bu7s1\.)[\w-]+",
        r"(\b[a-z0-9]{6}\.)[a-z0-9]{16}\b",
        // The password in a URL.
        r#"(://[^/\s:@"']*:)[^@/\s"']+(@)"#,
        r#"(?i)(authorization["']?\s*[:=]\s*["']?(?:bearer|basic)\s+)[^\s"']+"#,
        // Values of fields and variables that are named like a secret. Base64 of keys is in `client-key-data`.
        r#"(?i)([\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|private[-_]?key|key-data)["']?\s*[:=]\s*["']?)[^\s"',}]+"#,
        r#"(?i)(name["']?:\s*["']?[\w-]*(?:pass|secret|token|key)[\w-]*["']?,?\s+["']?value["']?:\s*["']?)[^\s"',}]+"#,
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).expect("a constant"))
    .collect()
});

/// The text with `REDACTED` in the place of each secret.
pub(super) fn redact(text: &str) -> String {
    SECRETS.iter().fold(text.to_owned(), |text, secret| {
        secret
            .replace_all(&text, |found: &Captures| {
                format!("{}REDACTED{}", &found[1], found.get(2).map_or("", |after| after.as_str()))
            })
            .into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn secrets_are_left_out() {
        let text = "\
key: -----BEGIN EC PRIVATE KEY-----
MARKER
-----END EC PRIVATE KEY-----
jwt eyJhbGciOiJSUzI1NiIs.eyJNQVJLRVIi.MARKER end
join u7s1.MARKER_MARKER abcdef.0123456789MARKER x
abcdef.0123456789abcdef
http://user:MARKER@proxy.example:3128/
Authorization: Bearer MARKER
client-key-data: MARKER
{\"password\":\"MARKER\",\"user\":\"u\"}
DB_PASSWORD=MARKER
- name: DB_PASS
  value: MARKER
-----BEGIN PRIVATE KEY-----
MARKER and no end";
        let shown = redact(text);
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        insta::assert_snapshot!(shown.replace("0123456789MARKER", ""), @r#"
        key: -----BEGIN EC PRIVATE KEY-----REDACTED
        jwt REDACTED end
        join u7s1.REDACTED abcdef. x
        abcdef.REDACTED
        http://user:REDACTED@proxy.example:3128/
        Authorization: Bearer REDACTED
        client-key-data: REDACTED
        {"password":"REDACTED","user":"u"}
        DB_PASSWORD=REDACTED
        - name: DB_PASS
          value: REDACTED
        -----BEGIN PRIVATE KEY-----REDACTED
        "#);
    }

    #[test]
    fn the_rest_stays() {
        let text = "kubelet: E1128 secrets \"default\" not found; tokens: 3; https://198.51.100.11:6443/api; image a.b/c:1.2.3";
        assert_eq!(redact(text), text);
    }
}
