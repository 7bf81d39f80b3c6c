//! Keys as their 32 bytes, not as the text that people read: for serde.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use v6tun_keys::{KEY_LEN, PresharedKey, PublicKey};

pub(crate) trait RawKey: Sized {
    fn bytes(&self) -> &[u8; KEY_LEN];
    fn from_raw(bytes: [u8; KEY_LEN]) -> Self;
}

impl RawKey for PublicKey {
    fn bytes(&self) -> &[u8; KEY_LEN] {
        self.as_bytes()
    }

    fn from_raw(bytes: [u8; KEY_LEN]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl RawKey for PresharedKey {
    fn bytes(&self) -> &[u8; KEY_LEN] {
        self.as_bytes()
    }

    fn from_raw(bytes: [u8; KEY_LEN]) -> Self {
        Self::from_bytes(bytes)
    }
}

pub(crate) fn serialize<K: RawKey, S: Serializer>(key: &K, serializer: S) -> Result<S::Ok, S::Error> {
    key.bytes().serialize(serializer)
}

pub(crate) fn deserialize<'de, K: RawKey, D: Deserializer<'de>>(deserializer: D) -> Result<K, D::Error> {
    <[u8; KEY_LEN]>::deserialize(deserializer).map(K::from_raw)
}
