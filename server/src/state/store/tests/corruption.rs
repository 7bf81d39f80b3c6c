//! A thousand corruptions of one file, of the other, and of both.

use rand::prelude::*;
use rand::rngs::SmallRng;

use super::*;
use crate::state::MAX_CLIENTS;
use crate::state::tests::{NOW, id, invitation, key, psk};

const CORRUPTIONS: u64 = 1000;

/// A state that was saved several times, as one is in a server's life.
fn lived(random: &mut SmallRng) -> (FaultyDisk, State) {
    let (disk, mut store, mut state) = saved(random.random());
    for number in 10..random.random_range(12..25_u16) {
        state = next(&state, number);
        let n = u32::from(number);
        state.open_invitation(invitation(&format!("guest-{n}"), n)).unwrap();
        if random.random() {
            state.use_invitation(id(n), key(n + 500), psk(7), address(number + 500), NOW).unwrap();
        }
        store.save(&state).unwrap();
    }
    (disk, state)
}

fn corrupt(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    let at = random.random_range(0..bytes.len());
    let length = random.random_range(1..=512).min(bytes.len() - at);
    match random.random_range(0..9) {
        0 => (0..random.random_range(1..4)).for_each(|_| {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }),
        1 => bytes.truncate(at),
        2 => bytes[at..at + length].fill(0),
        3 => bytes.rotate_left(at),
        4 => bytes.extend_from_within(at..at + length),
        5 => delete_line(bytes, random),
        6 => random.fill(&mut bytes[at..at + length]),
        7 => change_digit(bytes, random),
        _ => bytes.clear(),
    }
}

fn delete_line(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    lines.remove(random.random_range(0..lines.len()));
    *bytes = lines.concat();
}

/// What no reader of TOML would notice: another address, key or time.
fn change_digit(bytes: &mut [u8], random: &mut SmallRng) {
    let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
    if let Some(at) = digits.choose(random) {
        bytes[*at] = b'0' + random.random_range(0..10);
    }
}

fn corrupt_file(disk: &FaultyDisk, path: &Path, random: &mut SmallRng) {
    let mut bytes = disk.content(path).unwrap();
    corrupt(&mut bytes, random);
    disk.put(path, &bytes);
}

#[test]
fn damage_of_one_file_loses_nothing_and_damage_of_both_hands_out_nothing() {
    let mut refused = 0;
    for seed in 0..CORRUPTIONS {
        let mut random = SmallRng::seed_from_u64(seed);
        let (disk, state) = lived(&mut random);
        let (first, copy) = (first_in(folder()), copy_in(folder()));
        let paths = [vec![&first], vec![&copy], vec![&first, &copy]];
        for path in &paths[usize::try_from(seed % 3).unwrap()] {
            corrupt_file(&disk, path, &mut random);
        }
        let before = contents(&disk);
        match StateStore::open_on(disk.clone(), folder()) {
            Ok((store, found, _)) => assert_goes_on(&disk, store, &found, &state, seed),
            Err(error) => {
                assert!(seed % 3 == 2 && matches!(error, StateError::BothDamaged { .. }), "{seed}: {error}");
                assert_eq!(contents(&disk), before, "seed {seed}");
                refused += 1;
            }
        }
    }
    assert!(refused > CORRUPTIONS / 4, "{refused} were refused");
}

/// What was opened is the whole truth; it is so at the next start, too, and can be saved.
fn assert_goes_on(
    disk: &FaultyDisk,
    mut store: StateStore<FaultyDisk>,
    found: &State,
    truth: &State,
    seed: u64,
) {
    assert_eq!(found, truth, "seed {seed}");
    disk.restart(Loss::Unsynced);
    assert_eq!(opened(disk), *truth, "seed {seed}");
    let number = u16::try_from(MAX_CLIENTS).unwrap();
    store.save(&next(truth, number)).unwrap();
    assert_eq!(opened(disk), next(truth, number), "seed {seed}");
}
