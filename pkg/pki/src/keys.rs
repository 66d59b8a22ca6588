//! Private keys: made in parallel, read in every form that kubeadm and OpenSSL write.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use std::num::NonZero;
use usernetes_api::EncryptionAlgorithm;
use x509_parser::pem::Pem;

/// A new key.
pub(crate) fn generate(algorithm: EncryptionAlgorithm) -> Result<KeyPair, rcgen::Error> {
    match algorithm {
        EncryptionAlgorithm::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        EncryptionAlgorithm::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        EncryptionAlgorithm::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        EncryptionAlgorithm::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072),
        EncryptionAlgorithm::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
}

/// New keys, on every processor: an RSA key takes a tenth of a second and more, and a cluster has sixteen.
pub(crate) fn generate_many(algorithm: EncryptionAlgorithm, count: usize) -> Result<Vec<KeyPair>, rcgen::Error> {
    let rsa = !matches!(algorithm, EncryptionAlgorithm::EcdsaP256 | EncryptionAlgorithm::EcdsaP384);
    let threads = if rsa { std::thread::available_parallelism().map_or(1, NonZero::get).min(count) } else { 1 };
    let share = |thread: usize| (thread..count).step_by(threads).map(|_| generate(algorithm)).collect();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|n| scope.spawn(move || share(n))).collect();
        let mut keys: Vec<KeyPair> = if threads == 0 { Vec::new() } else { share(0)? };
        for other in others {
            let more: Result<Vec<KeyPair>, rcgen::Error> = other.join().expect("making keys does not panic");
            keys.extend(more?);
        }
        Ok(keys)
    })
}

/// The first private key of a PEM text: PKCS#8, PKCS#1 or SEC1, also behind OpenSSL's `EC PARAMETERS`.
pub(crate) fn parse_private(text: &str) -> Option<KeyPair> {
    let block = Pem::iter_from_buffer(text.as_bytes()).flatten().find(|b| b.label.ends_with("PRIVATE KEY"))?;
    KeyPair::try_from(block.contents).ok()
}

/// Every public key of a PEM text, as SubjectPublicKeyInfo.
pub(crate) fn parse_public(text: &str) -> Vec<Vec<u8>> {
    let blocks = Pem::iter_from_buffer(text.as_bytes()).flatten();
    blocks.filter(|b| b.label == "PUBLIC KEY").map(|b| b.contents).collect()
}

/// SubjectPublicKeyInfo of a key.
pub(crate) fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}
