//! A Curve25519 public key, which is a peer's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use x25519_dalek::StaticSecret;

use crate::{KEY_LEN, KeyError, base64};

/// Characters of the text form that [`PublicKey::short`] shows.
const SHORT_LEN: usize = 8;

/// A Curve25519 public key. Displays as its text form; serde sees that as a string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    bytes: [u8; KEY_LEN],
}

impl PublicKey {
    /// The key of these 32 bytes, whatever they are: see [`is_low_order`](Self::is_low_order).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self { bytes }
    }

    /// Reads the text form, which must be exactly 44 characters of canonical base64.
    ///
    /// # Errors
    /// [`KeyError::WrongLength`], [`KeyError::NotBase64`]; [`KeyError::LowOrder`] for a key with
    /// which no handshake can succeed.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let key = Self { bytes: *base64::decode(text.as_bytes())? };
        if key.is_low_order() { Err(KeyError::LowOrder) } else { Ok(key) }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// The first eight characters of the text form and an ellipsis, for logs.
    #[must_use]
    pub fn short(&self) -> String {
        let text = base64::encode(&self.bytes);
        text.chars().take(SHORT_LEN).chain(['…']).collect()
    }

    /// Whether the bytes are the one proper spelling of the point: below 2^255 - 19, the top bit clear. X25519 takes
    /// others as well (RFC 7748, section 5), as spellings of keys that they are not equal to.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        let [lowest, middle @ .., highest] = &self.bytes;
        let is_at_least_p = *highest == 0x7f && middle.iter().all(|byte| *byte == 0xff) && *lowest >= 0xed;
        *highest < 0x80 && !is_at_least_p
    }

    /// Whether every shared secret with this key is zero (RFC 7748, section 6.1).
    ///
    /// Clamped scalars are multiples of the cofactor, so one of them decides it for all.
    #[must_use]
    pub fn is_low_order(&self) -> bool {
        let any_scalar = StaticSecret::from([1; KEY_LEN]);
        !any_scalar.diffie_hellman(&x25519_dalek::PublicKey::from(self.bytes)).was_contributory()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base64::encode(&self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.short())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_base64(text)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(&self.bytes))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = PublicKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PublicKey, E> {
        PublicKey::from_base64(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};

    use super::*;
    use crate::PrivateKey;

    const TEXT: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

    #[test]
    fn other_spellings_of_a_point_are_recognised() {
        let key = PrivateKey::from_bytes([5; 32]).public_key();
        assert!(key.is_canonical());
        let mut alias = *key.as_bytes();
        alias[31] |= 0x80;
        assert!(!PublicKey::from_bytes(alias).is_canonical());
        let mut p_plus_nine = [0xff; 32];
        (p_plus_nine[0], p_plus_nine[31]) = (0xf6, 0x7f);
        assert!(!PublicKey::from_bytes(p_plus_nine).is_canonical());
        (p_plus_nine[0], p_plus_nine[1]) = (0xff, 0xfe);
        assert!(PublicKey::from_bytes(p_plus_nine).is_canonical());
    }

    /// 0, 1, the two of order 8, and p - 1, p, p + 1 with p = 2^255 - 19, all little-endian.
    const LOW_ORDER: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    fn deserialize(text: &str) -> Result<PublicKey, ValueError> {
        let deserializer: StrDeserializer<'_, ValueError> = text.into_deserializer();
        PublicKey::deserialize(deserializer)
    }

    #[test]
    fn a_key_displays_as_its_text_form_and_is_short_in_debug() {
        let key: PublicKey = TEXT.parse().unwrap();
        assert_eq!(key.to_string(), TEXT);
        assert_eq!(key.short(), "hSDwCYkw…");
        assert_eq!(format!("{key:?}"), "PublicKey(hSDwCYkw…)");
    }

    #[test]
    fn serde_reads_the_text_form_and_names_what_is_wrong() {
        assert_eq!(deserialize(TEXT).unwrap().to_string(), TEXT);
        let error = deserialize(&TEXT[1..]).unwrap_err();
        assert_eq!(error.to_string(), "wrong length: a key has 44 base64 characters, this has 43");
    }

    #[test]
    fn points_of_low_order_are_recognised() {
        for hexadecimal in LOW_ORDER {
            let bytes = std::array::from_fn(|index| {
                u8::from_str_radix(&hexadecimal[2 * index..2 * index + 2], 16).unwrap()
            });
            let key = PublicKey::from_bytes(bytes);
            assert!(key.is_low_order(), "{hexadecimal}");
            assert_eq!(PublicKey::from_base64(&key.to_string()), Err(KeyError::LowOrder));
        }
        assert!(!TEXT.parse::<PublicKey>().unwrap().is_low_order());
    }

    proptest! {
        #[test]
        fn the_public_key_of_any_private_key_is_usable(bytes: [u8; KEY_LEN]) {
            let key = PrivateKey::from_bytes(bytes).public_key();
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert_eq!(&deserialize(&key.to_string()).unwrap(), &key);
        }
    }
}
