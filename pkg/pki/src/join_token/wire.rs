//! Bytes of a join token: numbers big-endian, text behind its length in one byte.

use super::JoinTokenError;
use crate::token::{ALPHABET, ID_LENGTH, SECRET_LENGTH};
use crate::{BootstrapToken, Endpoint};
use std::net::IpAddr;

/// 22 characters of 36 fit into 114 bits.
const TOKEN_BYTES: usize = 15;
const ENDPOINT: &str = "endpoint";

#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// `text` is at most 255 bytes long; every field's type sees to that.
    pub(super) fn write_text(&mut self, text: &str) -> &mut Self {
        let length = u8::try_from(text.len()).expect("a bounded field");
        self.write_bytes(&[length]).write_bytes(text.as_bytes())
    }

    pub(super) fn write_token(&mut self, token: &BootstrapToken) -> &mut Self {
        let digits = token.id().bytes().chain(token.secret().expose().bytes());
        let number = digits.fold(0_u128, |number, b| number * 36 + u128::from(digit_value(b)));
        self.write_bytes(&number.to_be_bytes()[16 - TOKEN_BYTES..])
    }

    pub(super) fn write_endpoint(&mut self, endpoint: &Endpoint) -> Result<&mut Self, JoinTokenError> {
        if !reads_back(endpoint) {
            return Err(JoinTokenError::Content(ENDPOINT));
        }
        match endpoint.address() {
            Some(IpAddr::V4(address)) => self.write_bytes(&[4]).write_bytes(&address.octets()),
            Some(IpAddr::V6(address)) => self.write_bytes(&[6]).write_bytes(&address.octets()),
            None => self.write_bytes(&[0]).write_text(&endpoint.host),
        };
        Ok(self.write_bytes(&endpoint.port.to_be_bytes()))
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take_bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], JoinTokenError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(JoinTokenError::Content(field))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn read_array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], JoinTokenError> {
        Ok(self.take_bytes(N, field)?.try_into().expect("taken with that length"))
    }

    pub(super) fn read_u8(&mut self, field: &'static str) -> Result<u8, JoinTokenError> {
        self.read_array(field).map(u8::from_be_bytes)
    }

    pub(super) fn read_u16(&mut self, field: &'static str) -> Result<u16, JoinTokenError> {
        self.read_array(field).map(u16::from_be_bytes)
    }

    pub(super) fn read_text(&mut self, field: &'static str) -> Result<&'a str, JoinTokenError> {
        let length = self.read_u8(field)?;
        std::str::from_utf8(self.take_bytes(length.into(), field)?).map_err(|_| JoinTokenError::Content(field))
    }

    pub(super) fn read_token(&mut self) -> Result<BootstrapToken, JoinTokenError> {
        const FIELD: &str = "bootstrap token";
        let mut bytes = [0; 16];
        bytes[16 - TOKEN_BYTES..].copy_from_slice(self.take_bytes(TOKEN_BYTES, FIELD)?);
        let mut number = u128::from_be_bytes(bytes);
        let mut text = String::with_capacity(ID_LENGTH + SECRET_LENGTH);
        for _ in 0..ID_LENGTH + SECRET_LENGTH {
            let digit = usize::try_from(number % 36).expect("below 36");
            text.insert(0, char::from(ALPHABET[digit]));
            number /= 36;
        }
        let (id, secret) = text.split_at(ID_LENGTH);
        BootstrapToken::new(id, secret).ok().filter(|_| number == 0).ok_or(JoinTokenError::Content(FIELD))
    }

    pub(super) fn read_endpoint(&mut self) -> Result<Endpoint, JoinTokenError> {
        let host = match self.read_u8(ENDPOINT)? {
            4 => IpAddr::from(self.read_array::<4>(ENDPOINT)?).to_string(),
            6 => IpAddr::from(self.read_array::<16>(ENDPOINT)?).to_string(),
            0 => self.read_text(ENDPOINT)?.to_owned(),
            _ => return Err(JoinTokenError::Content(ENDPOINT)),
        };
        let endpoint = Endpoint { host, port: self.read_u16(ENDPOINT)? };
        if reads_back(&endpoint) { Ok(endpoint) } else { Err(JoinTokenError::Content(ENDPOINT)) }
    }
}

/// What does not read back as itself is no endpoint; what does has at most 253 characters.
fn reads_back(endpoint: &Endpoint) -> bool {
    endpoint.to_string().parse().is_ok_and(|e: Endpoint| e == *endpoint)
}

fn digit_value(byte: u8) -> u8 {
    if byte.is_ascii_digit() { byte - b'0' } else { byte - b'a' + 10 }
}
