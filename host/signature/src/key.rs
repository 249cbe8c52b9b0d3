//! Public keys as `cosign generate-key-pair` writes them: ECDSA on the curve P-256, in a PEM file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::fmt;

/// What stands in front of the point of every such key (RFC 5480): the algorithm, the curve, and the kind of the rest.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// A public key and where it was read.
#[derive(Clone)]
pub struct Key {
    name: String,
    /// Uncompressed, 65 bytes.
    point: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

impl Key {
    /// Reads a PEM file's text. `name` is how the operator named it.
    ///
    /// # Errors
    /// It is no such key; says what it is instead where that can be told.
    pub fn parse(name: &str, pem: &str) -> Result<Self, String> {
        if pem.contains("PRIVATE KEY") {
            return Err(format!("`{name}` is a private key; give the public one, `cosign.pub`"));
        }
        let inside =
            pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(inside, _)| inside);
        let Some(inside) = inside else {
            return Err(format!("`{name}` is no public key: it has no line `{BEGIN}`"));
        };
        let text: String = inside.split_whitespace().collect();
        let bytes = STANDARD.decode(text).map_err(|_| format!("`{name}` is a damaged public key"))?;
        match bytes.strip_prefix(&P256) {
            Some(point) if point.len() == 65 => Ok(Self { name: name.to_owned(), point: point.to_vec() }),
            _ => Err(format!(
                "`{name}` is no ECDSA key on the curve P-256, the only kind that this version checks"
            )),
        }
    }

    /// How the operator named it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the signature (ASN.1) over these bytes is this key's.
    pub(crate) fn verifies(&self, payload: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(payload, signature).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    /// A key that was made just now, and its public half as a file.
    pub(crate) fn made() -> (EcdsaKeyPair, String) {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let spki = [P256.as_slice(), pair.public_key().as_ref()].concat();
        let pem = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(spki));
        (pair, pem)
    }

    #[test]
    fn a_signature_is_of_its_key_and_its_bytes() {
        let (pair, pem) = made();
        let key = Key::parse("cosign.pub", &pem).unwrap();
        let signature = pair.sign(&SystemRandom::new(), b"payload").unwrap();
        assert!(key.verifies(b"payload", signature.as_ref()));
        assert!(!key.verifies(b"payloae", signature.as_ref()));
        assert!(!key.verifies(b"payload", b"no signature"));
        assert!(!Key::parse("other", &made().1).unwrap().verifies(b"payload", signature.as_ref()));
    }

    /// The key of a published example of cosign's own format, made elsewhere.
    #[test]
    fn what_is_no_such_key_says_what_it_is() {
        let refused = |pem: &str| Key::parse("k.pem", pem).unwrap_err();
        assert_eq!(refused("hello"), "`k.pem` is no public key: it has no line `-----BEGIN PUBLIC KEY-----`");
        let private = format!("-----BEGIN ENCRYPTED SIGSTORE {} KEY-----\n", "PRIVATE");
        assert_eq!(refused(&private), "`k.pem` is a private key; give the public one, `cosign.pub`");
        assert_eq!(refused(&format!("{BEGIN}\n!!\n{END}")), "`k.pem` is a damaged public key");
        let why = "`k.pem` is no ECDSA key on the curve P-256, the only kind that this version checks";
        // Ed25519.
        let other = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        assert_eq!(refused(&format!("{BEGIN}\n{other}\n{END}")), why);
    }
}
