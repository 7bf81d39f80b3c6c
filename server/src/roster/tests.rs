use super::*;
use crate::inbound::Inbound;
use crate::order::{NewClient, NewInvitation};
use crate::state::InvitationStatus;
use std::collections::HashSet;
use v6tun_keys::{InvitationId, PresharedKey, PrivateKey};
use v6tun_proto::lease::Pool;
use v6tun_proto::{EnrolAnswer, EnrolRefusal};

fn address(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)
}

fn key(n: u8) -> PublicKey {
    PrivateKey::from_bytes([n; 32]).public_key()
}

/// A pool of so many addresses, and a client of the file that has the first one fixed.
fn config(pool: u16) -> Config {
    let configured = ConfiguredClient {
        name: "filed".to_owned(),
        public_key: key(200),
        preshared_key: None,
        fixed: Some(address(1)),
        inbound: Inbound::default(),
    };
    Config {
        pool: Pool::Listed((1..=pool).map(address).collect()),
        clients: vec![configured],
        ..Config::for_tests()
    }
}

struct Rig {
    folder: tempfile::TempDir,
    config: Config,
}

impl Rig {
    fn new(pool: u16) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), config: config(pool) }
    }

    fn open(&self) -> Roster<'_> {
        Roster::open(&self.config, self.folder.path(), Unlendable::default()).unwrap()
    }
}

fn invitation(n: u8, name: &str) -> NewInvitation {
    NewInvitation {
        id: InvitationId::from_bytes([n; 4]),
        name: name.to_owned(),
        public_key: key(100 + n),
        preshared_key: PresharedKey::from_bytes([n; 32]),
        expires: now() + 3600,
    }
}

fn request(invitation: u8, client: u8) -> Request {
    let source = "192.0.2.1:4000".parse().unwrap();
    Request { invitation: key(100 + invitation), client: key(client), name: "desktop".to_owned(), source }
}

fn added(name: &str, n: u8, address: Option<Ipv6Addr>) -> Order {
    let (name, public_key) = (name.to_owned(), key(n));
    Order::AddClient(NewClient { name, public_key, preshared_key: None, address })
}

fn refusal(roster: &mut Roster<'_>, order: Order) -> String {
    let error = roster.carry_out(order).expect_err("must be refused");
    let failure = v6tun_cli::error_report::as_failure(&error);
    format!("{failure} | {}", failure.hint().unwrap_or_default())
}

#[test]
fn an_invitation_makes_one_client_by_the_name_that_was_invited() {
    let rig = Rig::new(4);
    let mut roster = rig.open();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    let first = roster.enrol(&request(1, 10), |_| true);
    let entry = first.added.unwrap();
    assert_eq!((entry.name.as_str(), entry.address), ("pc", address(2)));
    let EnrolAnswer::Enrolled { preshared_key, .. } = &first.answer else { panic!("{:?}", first.answer) };
    assert_ne!(*preshared_key, PresharedKey::from_bytes([1; 32]), "never the invitation's");
    let again = roster.enrol(&request(1, 10), |_| true);
    assert_eq!(again.answer, first.answer, "the same key, the same answer");
    assert!(again.added.is_none());
    assert_eq!(
        roster.enrol(&request(1, 11), |_| true).answer,
        EnrolAnswer::Refused(EnrolRefusal::AlreadyUsed)
    );
    drop(roster);
    let mut roster = rig.open();
    assert_eq!(roster.enrol(&request(1, 10), |_| true).answer, first.answer, "after a restart, too");
    assert_eq!(roster.entries().len(), 2);
}

#[test]
fn another_invitation_for_a_name_takes_the_place_of_the_first() {
    let rig = Rig::new(2);
    let mut roster = rig.open();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    roster.carry_out(Order::Invite(invitation(2, "pc"))).unwrap();
    assert_eq!(roster.enrol(&request(1, 10), |_| true).answer, EnrolAnswer::Refused(EnrolRefusal::Withdrawn));
    assert!(roster.enrol(&request(2, 10), |_| true).added.is_some());
}

#[test]
fn own_known_and_low_order_keys_are_refused_and_the_invitation_stays_open() {
    let rig = Rig::new(4);
    let mut roster = rig.open();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    roster.carry_out(added("tv", 20, None)).unwrap();
    let own = rig.config.private_key.public_key();
    for client in [own, key(20), key(200), key(101), PublicKey::from_bytes([0; 32])] {
        let answer = roster.enrol(&Request { client, ..request(1, 0) }, |_| true).answer;
        assert_eq!(answer, EnrolAnswer::Refused(EnrolRefusal::KeyRefused));
    }
    assert!(roster.enrol(&request(1, 10), |_| true).added.is_some());
}

#[test]
fn late_and_withdrawn_invitations_are_refused_with_their_reason() {
    let rig = Rig::new(4);
    let mut roster = rig.open();
    let late = NewInvitation { expires: now() - 1, ..invitation(1, "late") };
    roster.carry_out(Order::Invite(late)).unwrap();
    roster.carry_out(Order::Invite(invitation(2, "taken-back"))).unwrap();
    roster.carry_out(Order::Withdraw("taken-back".to_owned())).unwrap();
    assert_eq!(roster.enrol(&request(1, 10), |_| true).answer, EnrolAnswer::Refused(EnrolRefusal::Expired));
    assert_eq!(roster.enrol(&request(2, 10), |_| true).answer, EnrolAnswer::Refused(EnrolRefusal::Withdrawn));
    assert_eq!(roster.invitations().len(), 2, "they stay known, to be told why");
    let (Answer::Invitations(all), _) = roster.carry_out(Order::Invitations).unwrap() else { panic!() };
    let statuses: Vec<_> = all.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [InvitationStatus::Expired, InvitationStatus::Withdrawn]);
}

#[test]
fn a_revoked_client_cannot_come_back_by_its_old_invitation() {
    let rig = Rig::new(4);
    let mut roster = rig.open();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    roster.enrol(&request(1, 10), |_| true);
    let (_, effect) = roster.carry_out(Order::Revoke("pc".to_owned())).unwrap();
    assert!(matches!(effect, Effect::Removed(client) if client == key(10)), "{effect:?}");
    assert_eq!(
        roster.enrol(&request(1, 10), |_| true).answer,
        EnrolAnswer::Refused(EnrolRefusal::AlreadyUsed)
    );
}

#[test]
fn a_client_of_the_file_is_not_touched_by_orders_and_its_line_is_named() {
    let mut rig = Rig::new(4);
    let path = rig.folder.path().join("server.toml");
    std::fs::write(&path, "# mine\n[[client]]\nname = \"filed\"\n").unwrap();
    rig.config.path = path;
    let mut roster = rig.open();
    let name = || "filed".to_owned();
    let orders = [
        Order::Revoke(name()),
        Order::Move { name: name(), address: address(3) },
        Order::Rename { old: name(), new: "other".to_owned() },
        added("filed", 30, None),
        Order::Invite(invitation(1, "filed")),
        added("new", 200, None),
    ];
    for order in orders {
        let said = refusal(&mut roster, order);
        assert!(said.contains("server.toml:3"), "{said}");
    }
}

#[test]
fn an_order_that_cannot_be_is_refused_with_what_to_do() {
    let rig = Rig::new(3);
    let mut roster = rig.open();
    roster.carry_out(added("tv", 20, None)).unwrap();
    for (order, what, hint) in [
        (Order::Revoke("pc".to_owned()), "no client \"pc\"", "filed, tv"),
        (added("tv", 21, None), "taken", "choose another"),
        (added("new", 20, None), "is known", "genkey"),
        (added("new", 21, Some(address(2))), "client tv has it", "client list"),
        (added("new", 21, Some(address(99))), "not in the pool", "[pool]"),
        (Order::Withdraw("pc".to_owned()), "no invitation \"pc\"", "invitation list"),
        (Order::Move { name: "tv".to_owned(), address: address(1) }, "client filed has it", "client list"),
    ] {
        let said = refusal(&mut roster, order);
        assert!(said.contains(what) && said.contains(hint), "{what}, {hint}: {said}");
    }
}

#[test]
fn a_full_pool_invites_nobody_and_enrols_nobody() {
    let rig = Rig::new(2);
    let mut roster = rig.open();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    assert!(
        refusal(&mut roster, Order::Invite(invitation(2, "tv")))
            .contains("no address of the pool's 2 is left")
    );
    assert!(refusal(&mut roster, added("faster", 20, None)).contains("open invitations promise 1"));
    assert_eq!(roster.enrol(&request(1, 10), |_| false).answer, EnrolAnswer::Refused(EnrolRefusal::PoolFull));
    assert!(roster.enrol(&request(1, 10), |_| true).added.is_some(), "it stayed open");
}

#[test]
fn what_a_client_has_it_keeps_whatever_comes_and_goes_around_it() {
    let mut rig = Rig::new(4);
    rig.config.clients[0].fixed = None;
    let mut roster = rig.open();
    roster.carry_out(added("a", 20, None)).unwrap();
    roster.carry_out(added("b", 21, None)).unwrap();
    roster.carry_out(Order::Revoke("a".to_owned())).unwrap();
    let before: HashSet<_> = roster.entries().into_iter().map(|entry| (entry.name, entry.address)).collect();
    drop(roster);
    let second = ConfiguredClient {
        name: "new".to_owned(),
        public_key: key(201),
        preshared_key: None,
        fixed: None,
        inbound: Inbound::default(),
    };
    rig.config.clients.insert(0, second);
    let after: HashSet<_> =
        rig.open().entries().into_iter().map(|entry| (entry.name, entry.address)).collect();
    assert!(before.is_subset(&after), "{before:?} {after:?}");
}

#[test]
fn an_address_that_cannot_be_lent_any_more_is_exchanged_and_stays_so() {
    let rig = Rig::new(4);
    let mut roster = rig.open();
    roster.carry_out(added("tv", 20, None)).unwrap();
    assert_eq!(roster.give_another(&key(20)).unwrap(), (address(2), address(3)));
    assert!(roster.give_another(&key(200)).is_err(), "the file says so");
    drop(roster);
    assert_eq!(rig.open().address_of(&key(20)), Some(address(3)));
    let unlendable = Unlendable { fixed: HashSet::from([address(3)]), used: Vec::new() };
    let roster = Roster::open(&rig.config, rig.folder.path(), unlendable).unwrap();
    assert_eq!(roster.address_of(&key(20)), Some(address(2)));
}

#[test]
fn an_address_in_use_is_passed_over_and_named_where_nothing_else_is_left() {
    let mut rig = Rig::new(2);
    rig.config.clients[0].fixed = None;
    let used =
        |n| Unlendable { fixed: HashSet::new(), used: vec![(address(n), anyhow::anyhow!("SSH uses it"))] };
    let roster = Roster::open(&rig.config, rig.folder.path(), used(1)).unwrap();
    assert_eq!(roster.entries()[0].address, address(2));
    drop(roster);
    let second = ConfiguredClient {
        name: "new".to_owned(),
        public_key: key(201),
        preshared_key: None,
        fixed: None,
        inbound: Inbound::default(),
    };
    rig.config.clients.push(second);
    let error = Roster::open(&rig.config, rig.folder.path(), used(1)).unwrap_err();
    assert_eq!(error.to_string(), "SSH uses it");
}

#[test]
fn who_has_an_address_keeps_it_while_a_socket_uses_it() {
    let rig = Rig::new(4);
    rig.open().carry_out(added("tv", 20, None)).unwrap();
    let used = Unlendable { fixed: HashSet::new(), used: vec![(address(2), anyhow::anyhow!("SSH uses it"))] };
    let roster = Roster::open(&rig.config, rig.folder.path(), used).unwrap();
    assert_eq!(roster.address_of(&key(20)), Some(address(2)));
}

#[test]
fn a_name_that_the_file_has_taken_since_is_the_files() {
    let mut rig = Rig::new(6);
    let mut roster = rig.open();
    roster.carry_out(added("tv", 20, None)).unwrap();
    roster.carry_out(Order::Invite(invitation(1, "pc"))).unwrap();
    drop(roster);
    for (name, n) in [("tv", 201), ("pc", 202)] {
        let client = ConfiguredClient {
            name: name.to_owned(),
            public_key: key(n),
            preshared_key: None,
            fixed: None,
            inbound: Inbound::default(),
        };
        rig.config.clients.push(client);
    }
    let mut roster = rig.open();
    assert_eq!(roster.name_of(&key(20)), "tv-2");
    assert_eq!(roster.enrol(&request(1, 10), |_| true).added.unwrap().name, "pc-2");
}

#[test]
fn what_stands_in_the_file_holds_for_a_key_that_was_added_before() {
    let mut rig = Rig::new(4);
    rig.open().carry_out(added("tv", 20, None)).unwrap();
    let filed = ConfiguredClient {
        name: "telly".to_owned(),
        public_key: key(20),
        preshared_key: None,
        fixed: None,
        inbound: Inbound::default(),
    };
    rig.config.clients.push(filed);
    let names: Vec<_> = rig.open().entries().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["filed", "telly"]);
}
