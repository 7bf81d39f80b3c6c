use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;
use crate::network::address_order::kernel_add;
use crate::network::{InterfaceAddress, address_flags};

const LINK: &str = "ens3";

/// A link as the kernel keeps it, and a journal beside it.
#[derive(Clone)]
struct Model {
    observed: Observed,
    entries: Vec<Entry>,
}

impl Model {
    /// Addresses 0 to `count` - 1, of which every fourth is link-local.
    fn with(count: u16) -> Self {
        let observed = Observed { links: vec![link(LINK)], ..Observed::default() };
        let mut model = Self { observed, entries: Vec::new() };
        (0..count).for_each(|number| model.add(interface_address(number)));
        model
    }

    fn order(&self) -> Vec<Ipv6Addr> {
        self.observed.addresses_of(LINK).iter().map(|a| a.address).collect()
    }

    fn add(&mut self, address: InterfaceAddress) {
        let mut order = self.order();
        kernel_add(&mut order, address.address);
        let at = order.iter().position(|other| *other == address.address).unwrap();
        self.observed.addresses.entry(LINK.into()).or_default().insert(at, address);
    }

    fn delete(&mut self, address: Ipv6Addr) {
        self.observed.addresses.entry(LINK.into()).or_default().retain(|a| a.address != address);
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::AddAddress { address, .. } => self.add(address.clone()),
            Change::DeleteAddress { address, .. } => self.delete(address.address),
            Change::RaiseAddress { address, .. } => {
                self.delete(address.address);
                self.add(address.clone());
            }
            other => panic!("not expected: {other}"),
        }
    }

    fn record(&mut self, phase: Phase, change: &Change) {
        self.entries.push(Entry {
            at: self.observed.boot_seconds,
            phase,
            change: change.clone(),
            links: Default::default(),
        });
    }

    fn lend(&mut self, number: u16) {
        let absent = Requirement::AddressAbsent { link: LINK.into(), address: global_or_local(number) };
        for change in plan(&[absent], &self.observed) {
            self.record(Phase::Do, &change);
            self.apply(&change);
        }
    }

    /// Undoes until a kill after `steps` changes, the last of which may be recorded only, or half done.
    fn undo_until(&mut self, steps: usize, last: Kill) {
        self.make(undo(&self.entries, &self.observed).changes, steps, last);
    }

    /// Ends the lease of one address in the same way.
    fn release_until(&mut self, number: u16, steps: usize, last: Kill) {
        let is_of = |change: &Change| change.concerns(global_or_local(number));
        self.make(undo_some(&self.entries, &self.observed, is_of).changes, steps, last);
    }

    fn release_wholly(&mut self, number: u16) {
        self.release_until(number, usize::MAX, Kill::AfterDoing);
        let is_of = |change: &Change| change.concerns(global_or_local(number));
        assert_eq!(undo_some(&self.entries, &self.observed, is_of).changes, [], "nothing is left to do");
        self.entries = strike_out(&self.entries, &self.observed, is_of);
    }

    fn make(&mut self, changes: Vec<Change>, steps: usize, last: Kill) {
        for (i, change) in changes.iter().enumerate().take(steps) {
            if matches!(change, Change::RaiseAddress { .. }) {
                self.record(Phase::Undo, change);
            }
            match (i + 1 == steps, last, change) {
                (true, Kill::BeforeDoing, _) => {}
                (true, Kill::HalfWay, Change::RaiseAddress { address, .. }) => self.delete(address.address),
                _ => self.apply(change),
            }
        }
    }

    fn undo_wholly(&mut self) {
        self.undo_until(usize::MAX, Kill::AfterDoing);
        assert_eq!(undo(&self.entries, &self.observed).changes, [], "a second time has nothing to do");
    }
}

#[derive(Debug, Clone, Copy)]
enum Kill {
    BeforeDoing,
    HalfWay,
    AfterDoing,
}

fn global_or_local(number: u16) -> Ipv6Addr {
    let first = if number % 4 == 3 { 0xfe80 } else { 0x2001 };
    Ipv6Addr::new(first, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn interface_address(number: u16) -> InterfaceAddress {
    InterfaceAddress::permanent(global_or_local(number), 64)
}

fn kill() -> impl Strategy<Value = (usize, Kill)> {
    let when = prop_oneof![Just(Kill::BeforeDoing), Just(Kill::HalfWay), Just(Kill::AfterDoing)];
    (0..12_usize, when)
}

/// What happens in a run: addresses are lent, and some undoings are killed.
#[derive(Debug, Clone)]
enum Step {
    Lend(u16),
    KilledUndo(usize, Kill),
    Release(u16),
    KilledRelease(u16, usize, Kill),
    /// Boot configuration puts an address back that was lent.
    PutBack(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..16_u16).prop_map(Step::Lend),
        1 => kill().prop_map(|(steps, last)| Step::KilledUndo(steps, last)),
        3 => (0..16_u16).prop_map(Step::Release),
        1 => ((0..16_u16), kill()).prop_map(|(number, (steps, last))| Step::KilledRelease(number, steps, last)),
        1 => (0..16_u16).prop_map(Step::PutBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_was_lent_killed_and_put_back_the_list_is_as_before(
        count in 0..16_u16,
        steps in proptest::collection::vec(step(), 0..16),
    ) {
        let mut model = Model::with(count);
        let before = model.observed.clone();
        for step in steps {
            match step {
                Step::Lend(number) => model.lend(number),
                Step::KilledUndo(steps, last) => model.undo_until(steps, last),
                Step::Release(number) => model.release_wholly(number),
                Step::KilledRelease(number, steps, last) => model.release_until(number, steps, last),
                Step::PutBack(number) => {
                    let address = interface_address(number);
                    if number < count && !model.order().contains(&address.address) {
                        model.add(address);
                    }
                }
            }
        }
        model.undo_wholly();
        prop_assert_eq!(model.observed, before);
    }

    #[test]
    fn leases_that_come_and_go_leave_the_others_in_their_places_and_a_short_journal(
        steps in proptest::collection::vec((0..10_u16, proptest::bool::ANY), 0..40),
    ) {
        let mut model = Model::with(10);
        let before = model.clone();
        let mut lent = std::collections::BTreeSet::new();
        for (number, is_lent) in steps {
            if is_lent {
                model.lend(number);
                lent.insert(global_or_local(number));
            } else if lent.remove(&global_or_local(number)) {
                model.release_wholly(number);
            }
            let expected: Vec<Ipv6Addr> = before.order().into_iter().filter(|a| !lent.contains(a)).collect();
            prop_assert_eq!(model.order(), expected);
            prop_assert_eq!(model.entries.len(), lent.len());
        }
        model.undo_wholly();
        prop_assert_eq!(model.observed, before.observed);
    }

    #[test]
    fn addresses_that_came_since_stay_in_front(lent in proptest::collection::vec(0..10_u16, 1..5)) {
        let mut model = Model::with(10);
        let before = model.order();
        lent.iter().for_each(|number| model.lend(*number));
        model.add(interface_address(100));
        model.undo_wholly();
        let mut expected = vec![global_or_local(100)];
        expected.extend(before);
        prop_assert_eq!(model.order(), expected);
    }
}

#[test]
fn an_address_keeps_what_is_left_of_its_lifetimes() {
    let mut model = Model::with(0);
    model.add(InterfaceAddress { valid: Some(100), preferred: Some(50), ..interface_address(1) });
    model.observed.boot_seconds = 1000;
    model.lend(1);
    let mut late = model.clone();
    model.observed.boot_seconds = 1070;
    model.undo_wholly();
    let back = &model.observed.addresses_of(LINK)[0];
    assert_eq!((back.valid, back.preferred), (Some(30), Some(0)));

    late.observed.boot_seconds = 1100;
    assert_eq!(undo(&late.entries, &late.observed).changes, [], "it would have expired by itself");
}

#[test]
fn a_temporary_address_is_never_taken_away_to_restore_the_order() {
    let mut model = Model::with(2);
    let temporary = InterfaceAddress { flags: address_flags::TEMPORARY, ..interface_address(2) };
    model.add(temporary);
    model.lend(0);
    let undo = undo(&model.entries, &model.observed);
    let commands: Vec<String> = undo.changes.iter().map(Change::linux_command).collect();
    assert_eq!(
        commands,
        [
            "ip -6 addr add 2001:db8::/64 dev ens3 nodad",
            "ip -6 addr del 2001:db8::1/64 dev ens3 && ip -6 addr add 2001:db8::1/64 dev ens3 nodad",
        ]
    );
    assert_eq!(undo.notes.len(), 1);
}

#[test]
fn an_address_that_carries_temporary_ones_is_never_taken_away_to_restore_the_order() {
    let mut model = Model::with(1);
    model.add(InterfaceAddress { flags: address_flags::MANAGETEMPADDR, ..interface_address(1) });
    model.add(InterfaceAddress { flags: address_flags::TEMPORARY, ..interface_address(2) });
    model.lend(0);
    let undo = undo(&model.entries, &model.observed);
    let commands: Vec<String> = undo.changes.iter().map(Change::linux_command).collect();
    assert_eq!(commands, ["ip -6 addr add 2001:db8::/64 dev ens3 nodad"]);
    assert_eq!(undo.notes.len(), 2);
}

#[test]
fn an_address_that_was_added_is_taken_away_unless_somebody_has_changed_it() {
    let mut model = Model::with(1);
    let present =
        Requirement::AddressPresent { link: LINK.into(), address: global_or_local(9), prefix_len: 128 };
    for change in plan(&[present], &model.observed) {
        model.record(Phase::Do, &change);
        model.apply(&change);
    }
    let mut changed = model.clone();
    model.undo_wholly();
    assert_eq!(model.order(), [global_or_local(0)]);

    changed.delete(global_or_local(9));
    changed.add(interface_address(9));
    assert_eq!(undo(&changed.entries, &changed.observed).changes, []);
}

#[test]
fn an_address_that_came_and_went_within_the_run_does_not_come_back() {
    let mut model = Model::with(1);
    let link = || LINK.to_owned();
    for requirement in [
        Requirement::AddressPresent { link: link(), address: global_or_local(8), prefix_len: 128 },
        Requirement::AddressAbsent { link: link(), address: global_or_local(8) },
        Requirement::AddressPresent { link: link(), address: global_or_local(9), prefix_len: 128 },
    ] {
        for change in plan(&[requirement], &model.observed) {
            model.record(Phase::Do, &change);
            model.apply(&change);
        }
    }
    model.undo_wholly();
    assert_eq!(model.order(), [global_or_local(0)]);
}

#[test]
fn an_address_that_was_added_stays_when_another_lease_ends() {
    let mut model = Model::with(4);
    let present =
        Requirement::AddressPresent { link: LINK.into(), address: global_or_local(9), prefix_len: 128 };
    for change in plan(&[present], &model.observed) {
        model.record(Phase::Do, &change);
        model.apply(&change);
    }
    let order = model.order();
    model.lend(1);
    model.release_wholly(1);
    assert_eq!(model.order(), order);
    model.undo_wholly();
    assert_eq!(model.order(), Model::with(4).order());
}
