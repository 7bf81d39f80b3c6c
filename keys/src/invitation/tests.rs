use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::PrivateKey;

/// To 203.0.113.233:51820, server key of RFC 7748's Alice, id 000ab0ff, secret 00 01 … 1f, until 2026.
const IPV4: &str = "v6tun1:AQAKsP8AaVW5AIUg8AmJMKdUdIt93LQ-91oNvzoNJjga9OukqY6qm05qAAECAwQFBgcICQoLDA0ODxAREhMUFRYX\
    GBkaGxwdHh_LAHHpymzouO_Y";
/// The same to vps.example:51820.
const NAMED: &str = "v6tun1:AAAKsP8AaVW5AIUg8AmJMKdUdIt93LQ-91oNvzoNJjga9OukqY6qm05qAAECAwQFBgcICQoLDA0ODxAREhMUFRYX\
    GBkaGxwdHh92cHMuZXhhbXBsZTo1MTgyMPsu15I";
const SERVER: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

fn known(endpoint: &str) -> Invitation {
    Invitation {
        endpoint: endpoint.to_owned(),
        server: SERVER.parse().unwrap(),
        id: "000ab0ff".parse().unwrap(),
        expires: 1_767_225_600,
        secret: Zeroizing::new(std::array::from_fn(|index| u8::try_from(index).unwrap())),
    }
}

fn read(text: &str) -> Result<Invitation, InvitationError> {
    text.parse()
}

fn assert_same(read: &Invitation, made: &Invitation) {
    assert_eq!((&read.endpoint, read.server), (&made.endpoint, made.server));
    assert_eq!((read.id, read.expires, &read.secret), (made.id, made.expires, &made.secret));
}

/// The text of a body that nobody checked.
fn text_of(invitation: &Invitation) -> Zeroizing<String> {
    text::encode(&invitation.to_body())
}

fn endpoints() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(|(ip, port)| format!("{}:{}", Ipv4Addr::from(ip), port.max(1))),
        any::<(u128, u16)>().prop_map(|(ip, port)| format!(
            "[{}]:{}",
            std::net::Ipv6Addr::from(ip),
            port.max(1)
        )),
        ("[a-z0-9.-]{1,249}", 1..=u16::MAX).prop_map(|(host, port)| format!("{host}:{port}")),
    ]
}

prop_compose! {
    fn invitations()(
        endpoint in endpoints(),
        server: [u8; KEY_LEN],
        id: [u8; ID_LEN],
        expires in 0..1_u64 << 40,
        secret: [u8; KEY_LEN],
    ) -> Invitation {
        let server = PrivateKey::from_bytes(server).public_key();
        let id = InvitationId::from_bytes(id);
        Invitation { endpoint, server, id, expires, secret: Zeroizing::new(secret) }
    }
}

#[test]
fn the_text_is_the_one_that_was_written_down() {
    for (text, endpoint) in [(IPV4, "203.0.113.233:51820"), (NAMED, "vps.example:51820")] {
        let made = known(endpoint);
        assert_eq!(*made.to_text(), text);
        assert_same(&read(text).unwrap(), &made);
    }
    assert_eq!(IPV4.len(), 119);
}

/// The expected keys, and the texts above, were computed with Python's `hmac`, `hashlib` and `base64` and
/// an X25519 of RFC 7748's pseudocode; nothing of this program took part.
#[test]
fn the_identity_is_the_one_that_was_computed_elsewhere() {
    let identity = read(IPV4).unwrap().identity();
    assert_eq!(*identity.private_key.to_base64(), "4GYkpcRddKVEE3zIM79EdGNd8dDsFpgwZbl5Cxxz1mM=");
    let public = identity.private_key.public_key().to_string();
    assert_eq!(public, "dzmh3rfenqiolQyNNEnVymbFa5SQwAlNaFE9cj5S+ws=");
    assert_eq!(*identity.preshared_key.to_base64(), "fo9t6rjDtFiQCW6qotp2+G5nNPNrIBp5xSTRgXKeg5M=");
}

#[test]
fn the_identity_is_bound_to_server_and_id_and_to_nothing_else() {
    let keys = |invitation: &Invitation| {
        let identity = invitation.identity();
        (*identity.private_key.as_bytes(), *identity.preshared_key.as_bytes())
    };
    let here = keys(&known("203.0.113.233:51820"));
    assert_eq!(keys(&Invitation { expires: 1, ..known("vps.example:1") }), here);

    let server = PrivateKey::from_bytes([7; KEY_LEN]).public_key();
    let elsewhere = keys(&Invitation { server, ..known("203.0.113.233:51820") });
    let id = "000ab0fe".parse().unwrap();
    let another = keys(&Invitation { id, ..known("203.0.113.233:51820") });
    assert!(here.0 != elsewhere.0 && here.1 != elsewhere.1);
    assert!(here.0 != another.0 && here.1 != another.1);
}

#[test]
fn two_new_invitations_have_nothing_in_common() {
    let server = SERVER.parse().unwrap();
    let first = Invitation::new("203.0.113.233:51820", server, 5).unwrap();
    let second = Invitation::new("203.0.113.233:51820", server, 5).unwrap();
    assert_ne!(first.id, second.id);
    assert_ne!(first.secret, second.secret);
    assert_same(&read(&first.to_text()).unwrap(), &first);
}

#[test]
fn debug_shows_the_invitation_without_its_secret() {
    let shown = format!("{:?}", known("vps.example:51820"));
    assert_eq!(
        shown,
        "Invitation { endpoint: \"vps.example:51820\", server: PublicKey(hSDwCYkw…), \
         id: InvitationId(000ab0ff), expires: 1767225600, .. }"
    );
    let identity = format!("{:?}", known("vps.example:51820").identity());
    assert_eq!(identity, "ThrowAway { private_key: PrivateKey(..), preshared_key: PresharedKey(..) }");
}

#[test]
fn what_people_paste_around_an_invitation_is_tolerated() {
    let code = IPV4.strip_prefix("v6tun1:").unwrap();
    let (start, end) = code.split_at(60);
    for pasted in [
        format!("  {IPV4}\r\n"),
        format!("$ sudo v6tun-client up {IPV4}"),
        format!("“{IPV4}”"),
        format!("v6tun-client up 'v6tun1:{start}'\n\"{end}\""),
        format!("v6tun1:\n    {start}\n    {end}\n"),
        format!("v6tun1:{start}\\\n{end}"),
        format!("v6tun1:{start}\u{a0}\u{200b}{end}"),
        format!("<{IPV4}>, until tomorrow."),
        format!("v6tun-client up {IPV4} --wait 10\nOn a PC that has v6tun.\n"),
    ] {
        assert_same(&read(&pasted).unwrap(), &known("203.0.113.233:51820"));
    }
}

#[test]
fn errors_are_told_apart() {
    let newer = IPV4.replace("v6tun1:", "v6tun2:");
    let cases = [
        (String::new(), InvitationError::NotAnInvitation),
        ("v6tun-client up".to_owned(), InvitationError::NotAnInvitation),
        ("v6tun01:AAAA v6tun:AAAA v6tun99999999999:AAAA".to_owned(), InvitationError::NotAnInvitation),
        (SERVER.to_owned(), InvitationError::NotAnInvitation),
        (format!("v6tun-client up {newer}"), InvitationError::Newer { version: 2 }),
        ("v6tun30:".to_owned(), InvitationError::Newer { version: 30 }),
        (format!("{IPV4}\n{NAMED}"), InvitationError::Several),
        ("v6tun1:".to_owned(), InvitationError::Damaged),
        (format!("{IPV4}A"), InvitationError::Damaged),
        (format!("v6tun1:{}", "A".repeat(10_000)), InvitationError::Damaged),
        (IPV4.to_lowercase(), InvitationError::Damaged),
    ];
    for (text, expected) in cases {
        let error = read(&text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_is_whole_and_makes_no_sense_is_refused_on_both_sides() {
    let endpoints = [
        "",
        "vps.example",
        "vps.example:",
        ":51820",
        "vps.example:0",
        "vps.example:65536",
        "vps.example:+1",
        "vps example:1",
        "vps.example:1\n",
        "\u{1b}[2J:1",
        "näher.example:1",
        "0.0.0.0:0",
        &format!("{}:1", "x".repeat(254)),
    ];
    let server = SERVER.parse().unwrap();
    for endpoint in endpoints {
        let error = Invitation::new(endpoint, server, 5).unwrap_err();
        assert!(matches!(error, InvitationError::Unusable { .. }), "{endpoint:?}");
        let error = read(&text_of(&known(endpoint))).unwrap_err();
        assert!(matches!(error, InvitationError::Unusable { .. } | InvitationError::Damaged), "{endpoint:?}");
    }
    let nobody = Invitation { server: PublicKey::from_bytes([0; KEY_LEN]), ..known("vps.example:1") };
    let error = read(&text_of(&nobody)).unwrap_err();
    assert!(error.to_string().contains("nobody can own"), "{error}");
    assert!(Invitation::new("vps.example:1", nobody.server, 5).is_err());
    assert!(Invitation::new("vps.example:1", server, 1 << 40).is_err());
}

#[test]
fn a_body_of_another_form_or_without_all_its_parts_is_refused() {
    let whole = known("203.0.113.233:51820").to_body();
    let mut other_form = whole.clone();
    other_form[0] = 2;
    let mut cases: Vec<_> = (0..whole.len()).map(|len| text::encode(&whole[..len])).collect();
    cases.push(text::encode(&other_form));
    for text in cases {
        assert!(matches!(read(&text), Err(InvitationError::Unusable { .. })), "{}", *text);
    }
}

#[test]
fn every_changed_lost_doubled_or_swapped_character_is_refused() {
    for text in [IPV4, NAMED] {
        for index in 0..text.len() {
            for replacement in (0..=0x7f_u8).filter(|byte| *byte != text.as_bytes()[index]) {
                let mut changed = text.as_bytes().to_vec();
                changed[index] = replacement;
                let changed = String::from_utf8(changed).unwrap();
                assert!(read(&changed).is_err(), "{changed:?}");
            }
            assert!(read(&text[..index]).is_err(), "{index}");
            assert!(read(&[&text[..index], &text[index + 1..]].concat()).is_err(), "{index}");
            // Before its first letter anything may stand.
            assert!(index == 0 || read(&[&text[..=index], &text[index..]].concat()).is_err(), "{index}");
            for other in index + 1..text.len() {
                let mut swapped = text.as_bytes().to_vec();
                swapped.swap(index, other);
                let swapped = String::from_utf8(swapped).unwrap();
                assert!(swapped == text || read(&swapped).is_err(), "{swapped}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_invitation_survives_its_text(made in invitations()) {
        let text = made.to_text();
        assert_same(&read(&text).unwrap(), &made);
        assert_same(&read(&format!("v6tun-client up '{}'\n", *text)).unwrap(), &made);
    }

    #[test]
    fn blanks_anywhere_behind_the_colon_change_nothing(
        made in invitations(),
        places in prop::collection::vec((any::<prop::sample::Index>(), "[ \t\r\n]{1,3}"), 0..8),
    ) {
        let mut text = made.to_text().to_string();
        for (place, blanks) in places {
            text.insert_str("v6tun1:".len() + place.index(text.len() + 1 - "v6tun1:".len()), &blanks);
        }
        assert_same(&read(&text).unwrap(), &made);
    }

    #[test]
    fn an_invitation_with_a_wrong_character_is_refused(
        made in invitations(),
        place: prop::sample::Index,
        character: char,
    ) {
        let mut text: Vec<char> = made.to_text().chars().collect();
        let place = place.index(text.len());
        prop_assume!(text[place] != character);
        text[place] = character;
        prop_assert!(read(&text.iter().collect::<String>()).is_err());
    }

    #[test]
    fn no_text_panics(text: String, code in "[A-Za-z0-9_-]{0,500}") {
        let _ = read(&text);
        let _ = read(&format!("v6tun1:{text}"));
        let _ = read(&format!("v6tun1:{code}"));
    }

    #[test]
    fn no_body_panics_and_what_is_read_is_written_back(
        mut body in prop::collection::vec(any::<u8>(), 0..400),
        form in 0..3_u8,
    ) {
        if let Some(first) = body.first_mut() {
            *first = form;
        }
        if let Ok(invitation) = read(&text::encode(&body)) {
            assert_same(&read(&invitation.to_text()).unwrap(), &invitation);
        }
    }
}
