//! The GUID of an adapter, the same for the same name on every PC and at every start.

/// FNV-1a of 128 bits: its offset basis and its prime (RFC 9923, section 5).
const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// Keeps the GUIDs of v6tun apart from others that are made of names.
const NAMESPACE: &[u8] = b"v6tun adapter ";

/// A UUID of version 8 and variant 1 (RFC 9562, section 5.8), made of the adapter's name.
pub(super) fn of(name: &str) -> u128 {
    let bytes = NAMESPACE.iter().chain(name.as_bytes());
    let hash = bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    let (version, variant) = (0xf << 76, 0x3 << 62);
    (hash & !version & !variant) | (0x8 << 76) | (0x2 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_guid_of_its_own_that_is_well_formed() {
        assert_eq!(of("v6tun0"), of("v6tun0"));
        assert_ne!(of("v6tun0"), of("v6tun1"));
        for name in ["v6tun0", "six", ""] {
            assert_eq!((of(name) >> 76) & 0xf, 8, "version");
            assert_eq!((of(name) >> 62) & 3, 2, "variant");
        }
    }
}
