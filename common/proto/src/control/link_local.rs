//! The link-local addresses of the two ends.

use blake2::{Blake2s256, Digest};
use std::net::Ipv6Addr;
use v6tun_keys::PublicKey;

/// The server's address in every tunnel: fe80::1.
pub const SERVER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Keeps the hash apart from other uses of the same key.
const LABEL: &[u8] = b"v6tun link-local address v1";

/// A client's address: fe80::/64 and the first 64 bits of BLAKE2s(label, public key).
///
/// The bits that RFC 4291 appendix A calls universal and group are 0: the identifier is neither
/// universally administered nor, so, one of the reserved anycast identifiers of RFC 2526, and
/// RFC 7136 asks nothing else of it. It is never the server's.
pub fn client_link_local(client: &PublicKey) -> Ipv6Addr {
    let digest = Blake2s256::new().chain_update(LABEL).chain_update(client.as_bytes()).finalize();
    let identifier = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    const UNIVERSAL_AND_GROUP: u64 = 0b11 << 56;
    const PREFIX: u128 = 0xfe80 << 112;
    // 0 is the subnet-router anycast address (RFC 4291 section 2.6.1), 1 is the server.
    let identifier = (identifier & !UNIVERSAL_AND_GROUP).max(2);
    Ipv6Addr::from_bits(PREFIX | u128::from(identifier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_address_of_a_known_key_is_known() {
        let address = client_link_local(&PublicKey::from_bytes([7; 32]));
        assert_eq!(address, client_link_local(&PublicKey::from_bytes([7; 32])));
        assert_ne!(address, client_link_local(&PublicKey::from_bytes([8; 32])));
    }

    proptest! {
        #[test]
        fn addresses_are_link_local_never_universal_and_never_the_servers(key in any::<[u8; 32]>()) {
            let address = client_link_local(&PublicKey::from_bytes(key));
            prop_assert_eq!(&address.octets()[..8], &[0xfe, 0x80, 0, 0, 0, 0, 0, 0]);
            prop_assert_eq!(address.octets()[8] & 3, 0);
            prop_assert_ne!(address, SERVER_LINK_LOCAL);
        }
    }
}
