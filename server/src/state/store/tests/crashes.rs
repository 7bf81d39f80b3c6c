//! Ten thousand operations on clients, with crashes, `ENOSPC` and `EIO` at any operation on the disk.

use std::collections::BTreeSet;

use rand::prelude::*;
use rand::rngs::SmallRng;

use super::operations::{Model, Operation};
use super::*;
use crate::state::tests::NOW;

const OPERATIONS_IN_ALL: u32 = 10_000;

/// A server's administrator, who remembers what was acknowledged.
struct Administrator {
    random: SmallRng,
    disk: FaultyDisk,
    store: StateStore<FaultyDisk>,
    /// What the server goes by.
    state: State,
    acknowledged: Model,
    /// What was asked for since, and refused by the disk or cut off by a crash: it may be so or not.
    unsettled: Vec<Model>,
    now: u64,
    last: u32,
    seen: Seen,
}

/// What has happened, so that the test knows that it has tested something.
#[derive(Debug, Default)]
struct Seen {
    granted: u32,
    refused: u32,
    not_saved: u32,
    crashes: u32,
    unsettled_came_up: u32,
}

impl Administrator {
    fn new(seed: u64) -> Self {
        let disk = FaultyDisk::new(seed);
        let (store, state, _) = open(&disk);
        Self {
            random: SmallRng::seed_from_u64(seed),
            disk,
            store,
            state,
            acknowledged: Model::default(),
            unsettled: Vec::new(),
            now: NOW,
            last: 1,
            seen: Seen::default(),
        }
    }

    fn ask(&mut self) {
        self.now += self.random.random_range(0..43_200);
        let operation = Operation::random(&mut self.random, &self.acknowledged, &mut self.last);
        let (mut next, mut expected) = (self.state.clone(), self.acknowledged.clone());
        let granted = operation.carry_out(&mut next, self.now);
        assert_eq!(granted.is_ok(), expected.carry_out(&operation, self.now), "{operation:?}: {granted:?}");
        if granted.is_err() {
            self.seen.refused += 1;
            assert_eq!(next, self.state, "{operation:?}");
            return;
        }
        assert_eq!(Model::of(&next), expected, "{operation:?}");
        self.set_a_trap(OPERATIONS + 4);
        self.save(next, expected);
    }

    fn save(&mut self, next: State, expected: Model) {
        match self.store.save(&next) {
            Ok(()) => {
                self.seen.granted += 1;
                (self.state, self.acknowledged) = (next, expected);
                self.unsettled.clear();
            }
            Err(error) => {
                self.seen.not_saved += 1;
                // What failed before anything was put in place has changed nothing.
                if !matches!(error, StateError::NotSaved(_)) {
                    self.unsettled.push(expected);
                }
            }
        }
        self.disk.forgive();
        if self.disk.is_crashed() || self.random.random_ratio(1, 40) {
            self.start_again();
        }
    }

    /// Something may happen to one of the next operations on the disk, or to several.
    fn set_a_trap(&mut self, within: u64) {
        while self.random.random_ratio(1, 3) {
            let fault = *[Fault::NoSpace, Fault::Io, Fault::Crash].choose(&mut self.random).unwrap();
            self.disk.fail_after(self.random.random_range(0..within), fault);
        }
    }

    /// The process was killed, or the power cut; also while it starts.
    fn start_again(&mut self) {
        self.seen.crashes += 1;
        loop {
            self.disk.restart(if self.random.random() { Loss::Unsynced } else { Loss::Nothing });
            self.set_a_trap(12);
            let opened = StateStore::open_on(self.disk.clone(), folder());
            let is_crashed = self.disk.is_crashed();
            self.disk.forgive();
            if let (Ok((store, state, _)), false) = (opened, is_crashed) {
                return self.go_on(store, state);
            }
            self.disk.restart(Loss::Nothing);
            assert!(StateStore::open_on(self.disk.clone(), folder()).is_ok(), "it opens without faults");
        }
    }

    fn go_on(&mut self, store: StateStore<FaultyDisk>, state: State) {
        let found = Model::of(&state);
        if found != self.acknowledged {
            assert!(
                self.unsettled.contains(&found),
                "found {found:?}\nacknowledged {:?}\nunsettled {:?}",
                self.acknowledged,
                self.unsettled
            );
            self.seen.unsettled_came_up += 1;
        }
        let addresses: BTreeSet<_> = found.clients.values().map(|(_, address)| address).collect();
        assert_eq!(addresses.len(), state.clients.len(), "no address twice");
        (self.store, self.state, self.acknowledged) = (store, state, found);
        self.unsettled.clear();
    }
}

#[test]
fn whatever_happens_to_the_disk_what_was_acknowledged_holds() {
    let mut seen = Seen::default();
    for seed in 0..10 {
        let mut administrator = Administrator::new(seed);
        for _ in 0..OPERATIONS_IN_ALL / 10 {
            administrator.ask();
        }
        let one = administrator.seen;
        seen = Seen {
            granted: seen.granted + one.granted,
            refused: seen.refused + one.refused,
            not_saved: seen.not_saved + one.not_saved,
            crashes: seen.crashes + one.crashes,
            unsettled_came_up: seen.unsettled_came_up + one.unsettled_came_up,
        };
    }
    let least = [seen.granted, seen.refused, seen.not_saved, seen.crashes, seen.unsettled_came_up];
    assert!(least.iter().all(|count| *count > 50), "{seen:?}");
}
