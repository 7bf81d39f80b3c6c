//! The names of clients.

use std::ops::RangeInclusive;

/// How long a name may be: as a label of the DNS, so that it can become one (RFC 1035, section 2.3.4).
const LEN: RangeInclusive<usize> = 1..=63;

/// Whether this is a name for a client: 1 to 63 of `a-z`, `0-9` and `-`.
#[must_use]
pub fn is_client_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    LEN.contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_63_lower_case_letters_digits_and_hyphens() {
        for name in ["a", "0", "-", "pc", "desk-2", &"x".repeat(63)] {
            assert!(is_client_name(name), "{name:?}");
        }
        let refused = ["", "PC", "my pc", "pc.", "pc_2", "pc\n", "näher", "ｐｃ", "../pc", &"x".repeat(64)];
        for name in refused {
            assert!(!is_client_name(name), "{name:?}");
        }
    }
}
