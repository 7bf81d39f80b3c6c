//! The name that this PC suggests for itself.

use std::fs;

/// Characters that a client's name may have.
const MAX_LEN: usize = 63;

/// The PC's host name, made to fit `[a-z0-9-]{1,63}`; empty where nothing of it does.
pub(super) fn host_name() -> String {
    fitting(&fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default())
}

/// The first label, in lower case, with a hyphen for whatever does not fit.
fn fitting(host_name: &str) -> String {
    let label = host_name.trim().split('.').next().unwrap_or_default();
    let fit = |character: char| match character.to_ascii_lowercase() {
        fitting @ ('a'..='z' | '0'..='9') => fitting,
        _ => '-',
    };
    let name: String = label.chars().map(fit).take(MAX_LEN).collect();
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use v6tun_keys::is_client_name;

    use super::*;

    #[test]
    fn a_host_name_becomes_a_clients_name() {
        for (host_name, name) in [
            ("pc\n", "pc"),
            ("Living-Room.lan\n", "living-room"),
            ("tom's_pc", "tom-s-pc"),
            ("büro", "b-ro"),
            ("-x-", "x"),
        ] {
            assert_eq!(fitting(host_name), name);
            assert!(is_client_name(name));
        }
        assert_eq!(fitting(&"a".repeat(200)), "a".repeat(MAX_LEN));
    }

    #[test]
    fn a_host_name_of_which_nothing_fits_gives_none() {
        for host_name in ["", "\n", "...", "電脳"] {
            assert_eq!(fitting(host_name), "");
        }
    }
}
