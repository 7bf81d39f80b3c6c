use super::*;
use crate::state::StoredClient;
use crate::state::tests::{address, client, invitation, key, largest_state, state};

fn damage_of(body: &str) -> String {
    match decode(signed(body).as_bytes()).unwrap_err() {
        Unusable::Damaged(damage) => damage,
        newer @ Unusable::Newer { .. } => panic!("{newer}"),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let late = State { clients: vec![StoredClient { since: u64::MAX, ..client("late", 1) }], ..state() };
    let late = State { endpoints: Vec::new(), leases: Vec::new(), invitations: Vec::new(), ..late };
    for state in [State::default(), state(), late, largest_state()] {
        let text = encode(&state, 7).unwrap();
        assert!(text.len() as u64 <= MAX_BYTES * 3 / 4, "{} bytes", text.len());
        assert_eq!(decode(text.as_bytes()).unwrap(), Snapshot { state, generation: 7 });
    }
}

#[test]
fn it_is_toml_that_says_what_it_is() {
    let text = encode(&state(), 7).unwrap();
    assert!(text.starts_with("# The state of v6tun-server"), "{}", *text);
    let table: toml::Table = text.parse().unwrap();
    assert_eq!((table["version"].as_integer(), table["generation"].as_integer()), (Some(1), Some(7)));
    assert_eq!(table["client"][0]["name"].as_str(), Some("desk"));
    assert_eq!(table["invitation"][1]["end"]["used"]["by"].as_str(), Some(&*key(2).to_string()));
}

#[test]
fn every_bit_after_the_comment_counts() {
    let text = encode(&state(), 7).unwrap();
    for byte in COMMENT.len()..text.len() {
        for bit in 0..8 {
            let mut damaged = text.as_bytes().to_vec();
            damaged[byte] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn what_is_cut_off_or_continued_is_damaged() {
    let text = encode(&state(), 7).unwrap();
    for length in 0..text.len() {
        decode(&text.as_bytes()[..length]).unwrap_err();
    }
    decode(format!("{}\n", *text).as_bytes()).unwrap_err();
}

#[test]
fn another_version_is_told_from_damage() {
    for version in [2, 3_000_000_000_u64, 30_000_000_000] {
        let text = signed(&format!("version = {version}\nwhatever else"));
        assert!(matches!(decode(text.as_bytes()), Err(Unusable::Newer { .. })), "{version}");
    }
    for body in ["version = 0\ngeneration = 1\n", "version = -1\n", "version = 1\n", "generation = 1\n", ""] {
        damage_of(body);
    }
}

#[test]
fn what_contradicts_itself_is_damaged_however_right_its_checksum_is() {
    let with = |change: &dyn Fn(&mut State)| {
        let mut state = state();
        change(&mut state);
        match decode(encode(&state, 1).unwrap().as_bytes()).unwrap_err() {
            Unusable::Damaged(damage) => damage,
            newer @ Unusable::Newer { .. } => panic!("{newer}"),
        }
    };
    let push = |client| move |state: &mut State| state.clients.push(client);
    assert_eq!(with(&|state| push(client("desk", 9))(state)), "two clients are called desk");
    assert_eq!(with(&|state| push(client("My PC", 9))(state)), "\"My PC\" is no client name");
    let twice = with(&|state| state.clients[0].public_key = state.clients[1].public_key);
    assert_eq!(twice, format!("two peers have the key {}", key(2)));
    for key_of_other in [key(100), invitation("tv", 1).public_key] {
        assert!(with(&|state| state.clients[0].public_key = key_of_other).contains("two peers"));
    }
    for number in [2, 100] {
        let twice = with(&|state| state.clients[0].address = address(number));
        assert_eq!(twice, format!("two clients have the address {}", address(number)));
    }
    assert!(with(&|state| state.invitations[0].id = state.invitations[1].id).contains("two invitations"));
    assert!(with(&|state| state.endpoints[0].public_key = key(2)).contains("two endpoints"));
    let low_order = v6tun_keys::PublicKey::from_bytes([0; 32]);
    assert!(with(&|state| state.clients[0].public_key = low_order).contains("low order"));
}

#[test]
fn no_error_shows_a_secret() {
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=";
    let tables = [
        format!("[[client]]\nname = 1\npreshared-key = \"{secret}\"\n"),
        format!("[[client]]\npreshared-key = \"{secret}\" x\n"),
        format!("[[client]]\npreshared-key = \"{secret}{secret}\"\n"),
        format!("[[client]]\npsk = \"{secret}\"\n"),
    ];
    for table in tables {
        let damage = damage_of(&format!("version = 1\ngeneration = 1\n{table}"));
        assert!(!damage.contains("c2VjcmV0"), "{damage}");
    }
}
