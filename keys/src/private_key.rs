//! A Curve25519 private key.

use std::fmt;

use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{KEY_LEN, KeyError, PublicKey, base64};

/// A Curve25519 private key, clamped (RFC 7748, section 5) as `wg genkey` does it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey {
    bytes: [u8; KEY_LEN],
}

impl PrivateKey {
    /// A new key of the system's random bytes.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
        getrandom::fill(bytes.as_mut_slice()).map_err(KeyError::Random)?;
        Ok(Self::from_bytes(*bytes))
    }

    /// The key of these 32 bytes. Clamping changes up to five bits of them, and never the public key.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> Self {
        let mut key = Self { bytes };
        bytes.zeroize();
        key.bytes[0] &= 0b1111_1000;
        key.bytes[KEY_LEN - 1] &= 0b0111_1111;
        key.bytes[KEY_LEN - 1] |= 0b0100_0000;
        key
    }

    /// Reads the text form, which must be exactly 44 characters of canonical base64.
    ///
    /// # Errors
    /// [`KeyError::WrongLength`], [`KeyError::NotBase64`].
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Self::from_text(text.as_bytes())
    }

    pub(crate) fn from_text(text: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::from_bytes(*base64::decode(text)?))
    }

    /// The text form: 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        base64::encode(&self.bytes)
    }

    /// The clamped bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// The public key that belongs to this key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let secret = StaticSecret::from(self.bytes);
        PublicKey::from_bytes(x25519_dalek::PublicKey::from(&secret).to_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7748, section 6.1: private and public key of Alice, then of Bob.
    const RFC_7748_PAIRS: [[&str; 2]; 2] = [
        [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ],
        [
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ],
    ];

    fn bytes_of(hexadecimal: &str) -> [u8; KEY_LEN] {
        std::array::from_fn(|index| u8::from_str_radix(&hexadecimal[2 * index..2 * index + 2], 16).unwrap())
    }

    #[test]
    fn public_keys_are_those_of_rfc_7748() {
        for [private, public] in RFC_7748_PAIRS {
            let key = PrivateKey::from_bytes(bytes_of(private));
            assert_eq!(key.public_key().as_bytes(), &bytes_of(public));
        }
    }

    #[test]
    fn two_generated_keys_differ() {
        let first = PrivateKey::generate().unwrap();
        assert_ne!(first.as_bytes(), PrivateKey::generate().unwrap().as_bytes());
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", PrivateKey::from_bytes([7; KEY_LEN])), "PrivateKey(..)");
    }

    #[test]
    fn a_key_is_wiped_by_zeroize() {
        let mut key = PrivateKey::from_bytes([7; KEY_LEN]);
        key.zeroize();
        assert_eq!(key.as_bytes(), &[0; KEY_LEN]);
    }

    proptest! {
        #[test]
        fn a_key_is_clamped_and_survives_its_text_form(bytes: [u8; KEY_LEN]) {
            let key = PrivateKey::from_bytes(bytes);
            prop_assert_eq!(key.as_bytes()[0] & 0b111, 0);
            prop_assert_eq!(key.as_bytes()[31] >> 6, 1);
            prop_assert_eq!(&key.as_bytes()[1..31], &bytes[1..31]);
            let again = PrivateKey::from_base64(&key.to_base64()).unwrap();
            prop_assert_eq!(again.as_bytes(), key.as_bytes());
        }
    }
}
