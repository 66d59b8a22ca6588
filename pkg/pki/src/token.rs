//! Bootstrap tokens: `id.secret`, six and sixteen of a–z and 0–9.

use crate::Secret;
use rand::Rng as _;
use std::fmt;
use std::str::FromStr;

/// Length of the public part.
pub const ID_LENGTH: usize = 6;
/// Length of the secret part.
pub const SECRET_LENGTH: usize = 16;
/// What both parts are made of, in the order of their value.
pub(crate) const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A bootstrap token. `Debug` shows the id alone, comparing takes constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    id: String,
    secret: Secret,
}

/// Text that is no bootstrap token; it is not repeated, since it may be nearly one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a bootstrap token: 6 and 16 of a-z and 0-9 with a dot between are wanted")]
pub struct TokenError;

impl BootstrapToken {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        Self { id: random_characters(ID_LENGTH), secret: Secret::new(random_characters(SECRET_LENGTH)) }
    }

    /// From its parts.
    pub fn new(id: &str, secret: &str) -> Result<Self, TokenError> {
        if !is_id(id) || !is_secret(secret) {
            return Err(TokenError);
        }
        Ok(Self { id: id.to_owned(), secret: Secret::new(secret) })
    }

    /// The public part.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The secret part.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// `id.secret`.
    pub fn to_secret(&self) -> Secret {
        Secret::new(format!("{}.{}", self.id, self.secret.expose()))
    }

    /// Name of the Secret in `kube-system` that holds it.
    pub fn secret_name(&self) -> String {
        format!("bootstrap-token-{}", self.id)
    }
}

/// Whether it is the public part of a token: what `token delete` takes.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| ALPHABET.contains(&b))
}

fn is_secret(text: &str) -> bool {
    // Looks at every character, whatever the first ones are.
    let good = text.bytes().fold(true, |good, b| good & (b.is_ascii_digit() | b.is_ascii_lowercase()));
    text.len() == SECRET_LENGTH && good
}

fn random_characters(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

impl FromStr for BootstrapToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (id, secret) = text.split_once('.').ok_or(TokenError)?;
        Self::new(id, secret)
    }
}

impl fmt::Debug for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootstrapToken({}.…)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_ones_differ_and_read_back() {
        let (a, b) = (BootstrapToken::generate(), BootstrapToken::generate());
        assert_ne!(a, b);
        assert_eq!(a.to_secret().expose().parse(), Ok(a.clone()));
        assert_eq!(a.to_secret().expose().len(), ID_LENGTH + 1 + SECRET_LENGTH);
    }

    #[test]
    fn debug_hides_the_secret() {
        let token: BootstrapToken = "abcdef.0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{token:?} {:?}", token.secret()), "BootstrapToken(abcdef.…) Secret(..)");
    }

    #[test]
    fn wrong_ones() {
        for wrong in
            ["", "abcdef", "abcdef.", "abcdef.0123456789abcde", "abcdef.0123456789abcdef0", "Abcdef.0123456789abcdef"]
        {
            assert_eq!(wrong.parse::<BootstrapToken>(), Err(TokenError), "{wrong}");
        }
        assert_eq!("abcdef.0123456789abcde\u{e9}".parse::<BootstrapToken>(), Err(TokenError));
    }

    proptest! {
        #[test]
        fn round_trip(text in "[a-z0-9]{6}\\.[a-z0-9]{16}") {
            let token: BootstrapToken = text.parse().unwrap();
            let shown = token.to_secret();
            prop_assert_eq!(shown.expose(), &text);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<BootstrapToken>();
        }
    }
}
