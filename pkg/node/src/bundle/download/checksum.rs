//! Parses the checksum files that projects publish.

use crate::bundle::digest;

/// The SHA-256 of `file` in the text of a checksum file; `None` if it does not list the file.
///
/// Forms: a lone digest (`kubelet.sha256`), lines of `sha256sum` in text or binary mode with or without a directory before
/// the name (`SHA256SUMS`, `….sha256sum`), BSD lines (`SHA256 (file) = …`), each also within a PGP-signed message.
pub(crate) fn find_checksum(text: &str, file: &str) -> Option<String> {
    let alone = text.trim().to_ascii_lowercase();
    if digest::is_hex(&alone) {
        return Some(alone);
    }
    text.lines().find_map(|line| {
        let (sum, name) = parse_gnu_line(line).or_else(|| parse_bsd_line(line))?;
        let sum = sum.to_ascii_lowercase();
        let base = name.rsplit('/').next()?;
        (base == file && digest::is_hex(&sum)).then_some(sum)
    })
}

fn parse_gnu_line(line: &str) -> Option<(&str, &str)> {
    let (sum, rest) = line.trim_end().split_once(' ')?;
    let name = rest.trim_start();
    (sum.len() == 64).then(|| (sum, name.strip_prefix('*').unwrap_or(name)))
}

fn parse_bsd_line(line: &str) -> Option<(&str, &str)> {
    let (name, sum) = line.trim_end().strip_prefix("SHA256 (")?.rsplit_once(") = ")?;
    Some((sum, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n\
        1111111111111111111111111111111111111111111111111111111111111111 *runc.amd64.asc\n\
        2222222222222222222222222222222222222222222222222222222222222222 *runc.amd64\n\
        -----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn signed_list_names_the_exact_file() {
        assert_eq!(find_checksum(SIGNED, "runc.amd64"), Some("2".repeat(64)));
        assert_eq!(find_checksum(SIGNED, "runc.arm64"), None);
        assert_eq!(find_checksum(SIGNED, "amd64"), None);
    }

    proptest! {
        #[test]
        fn every_form_is_read(sum in "[0-9a-f]{64}", name in "[a-z][a-z0-9.-]{1,20}", upper: bool) {
            let shown = if upper { sum.to_uppercase() } else { sum.clone() };
            for text in [
                shown.clone(),
                format!("{shown}\n"),
                format!("{shown}  {name}\n"),
                format!("{shown} *{name}\r\n"),
                format!("{shown}  ./release/{name}\n"),
                format!("{}  x{name}\n{shown}  {name}\n", "0".repeat(64)),
                format!("SHA256 ({name}) = {shown}\n"),
            ] {
                prop_assert_eq!(find_checksum(&text, &name), Some(sum.clone()), "{}", text);
            }
        }

        #[test]
        fn nothing_but_a_digest_comes_out(text in "[ -~\n]{0,200}", name in "[a-z]{1,5}") {
            prop_assert!(find_checksum(&text, &name).is_none_or(|sum| digest::is_hex(&sum)));
        }

        #[test]
        fn another_files_digest_is_not_taken(sum in "[0-9a-f]{64}", name in "[a-z]{1,8}", other in "[a-z]{1,8}") {
            prop_assume!(name != other);
            let text = format!("{sum}  {other}\n");
            prop_assert_eq!(find_checksum(&text, &name), None);
        }
    }
}
