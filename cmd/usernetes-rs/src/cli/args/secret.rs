//! Arguments that are secrets: clap repeats a wrong value in its error, and a wrong token can be almost the right one.

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use std::ffi::OsStr;
use usernetes_pki::BootstrapToken;
use usernetes_pki::token::is_id;

/// Parses an argument; the error names the argument and what is wrong, and does not repeat the value.
#[derive(Clone)]
pub(crate) struct SecretParser<T>(fn(&str) -> Result<T, &'static str>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for SecretParser<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        (self.0)(value.to_str().unwrap_or_default()).map_err(|why| {
            let name = arg.map(ToString::to_string).unwrap_or_default();
            Error::raw(ErrorKind::ValueValidation, format!("{name}: {why}\n")).with_cmd(command)
        })
    }
}

/// The token as documents have it; empty for one that is to be generated.
pub(crate) fn expose_token(token: Option<&BootstrapToken>) -> String {
    token.map(|token| token.to_secret().expose().to_owned()).unwrap_or_default()
}

/// A bootstrap token `ID.SECRET`.
pub(crate) const TOKEN: SecretParser<BootstrapToken> =
    SecretParser(|text| text.parse().map_err(|_| "not a bootstrap token ID.SECRET, which is 6 and 16 of a-z0-9"));

/// The id of a bootstrap token, given as `ID` or `ID.SECRET`.
pub(crate) const TOKEN_ID: SecretParser<String> = SecretParser(|text| match text.parse::<BootstrapToken>() {
    Ok(token) => Ok(token.id().to_owned()),
    Err(_) if is_id(text) => Ok(text.to_owned()),
    Err(_) => Err("neither the ID of a bootstrap token, which is 6 of a-z0-9, nor ID.SECRET with 16 more"),
});
