//! A signature of cosign's as it lies in a registry: a manifest whose layers are signed texts, with the signature beside each in an annotation.

use crate::key::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a layer is that holds a signed text.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where the signature stands.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// Where a signature without a key of its own has its certificate.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// Signatures that are looked at.
pub(crate) const MOST: usize = 32;

/// The manifest under the tag `sha256-….sig`.
#[derive(Deserialize, Default)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) layers: Vec<Layer>,
}

#[derive(Deserialize, Default, Clone)]
pub(crate) struct Layer {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    pub(crate) digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The signed text.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Layer {
    pub(crate) fn is_payload(&self) -> bool {
        self.media_type == PAYLOAD
    }

    /// Whether it was signed without a key, by a certificate of a moment.
    pub(crate) fn is_keyless(&self) -> bool {
        self.annotations.contains_key(CERTIFICATE)
    }

    /// Whether this layer, with its text, says of the image of this digest that one of the keys has signed it. The reason if it does not.
    pub(crate) fn verify(&self, payload: &[u8], image: &str, keys: &[&Key]) -> Result<(), &'static str> {
        let own: String = Sha256::digest(payload).iter().map(|byte| format!("{byte:02x}")).collect();
        if self.digest != format!("sha256:{own}") {
            return Err("the signed text is not the one that the signature belongs to");
        }
        let signature = self.annotations.get(SIGNATURE).and_then(|text| STANDARD.decode(text).ok());
        let signature = signature.ok_or("there is no signature beside the signed text")?;
        if !keys.iter().any(|key| key.verifies(payload, &signature)) {
            return Err("it is signed with another key");
        }
        let said: Payload =
            serde_json::from_slice(payload).map_err(|_| "the signed text is none of cosign's")?;
        if said.critical.image.digest != image {
            return Err("the signature is of another image");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::made;
    use ring::rand::SystemRandom;

    #[test]
    fn only_the_whole_chain_from_key_to_digest_counts() {
        let (pair, pem) = made();
        let key = Key::parse("k", &pem).unwrap();
        let image = format!("sha256:{}", "ab".repeat(32));
        let text = |digest: &str| {
            format!(
                "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"r/x\"}},\"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\"type\":\"cosign container image signature\"}},\"optional\":null}}"
            )
        };
        let layer = |text: &str, signed: &str| {
            let hex: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap());
            Layer {
                media_type: PAYLOAD.to_owned(),
                digest: format!("sha256:{hex}"),
                annotations: BTreeMap::from([(SIGNATURE.to_owned(), signature)]),
            }
        };
        let good = text(&image);
        let verify =
            |layer: &Layer, payload: &str, keys: &[&Key]| layer.verify(payload.as_bytes(), &image, keys);
        assert_eq!(verify(&layer(&good, &good), &good, &[&key]), Ok(()));
        assert_eq!(verify(&layer(&good, &good), &good, &[]), Err("it is signed with another key"));
        let other = Key::parse("o", &made().1).unwrap();
        assert_eq!(verify(&layer(&good, &good), &good, &[&other]), Err("it is signed with another key"));
        assert_eq!(verify(&layer(&good, &good), &good, &[&other, &key]), Ok(()));
        assert_eq!(verify(&layer(&good, "else"), &good, &[&key]), Err("it is signed with another key"));
        let moved = text(&format!("sha256:{}", "cd".repeat(32)));
        assert_eq!(verify(&layer(&moved, &moved), &moved, &[&key]), Err("the signature is of another image"));
        assert_eq!(
            verify(&layer(&good, &good), &moved, &[&key]),
            Err("the signed text is not the one that the signature belongs to")
        );
        let bare = Layer { annotations: BTreeMap::new(), ..layer(&good, &good) };
        assert_eq!(verify(&bare, &good, &[&key]), Err("there is no signature beside the signed text"));
        assert_eq!(verify(&layer("{}", "{}"), "{}", &[&key]), Err("the signed text is none of cosign's"));
    }
}
