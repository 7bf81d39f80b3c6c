use std::os::unix::fs::PermissionsExt;
use v6tun_host::durable_file::{Fault, FaultyDisk, Loss};
use v6tun_wire::Hinted;

use super::*;
use crate::state::tests::{address, client, state};

mod corruption;
mod crashes;
mod operations;

/// Operations on the disk of one save.
const OPERATIONS: u64 = 12;
/// The first of them that changes what is opened.
const FIRST_RENAME: u64 = 8;

fn folder() -> &'static Path {
    Path::new("/state")
}

fn damaged(number: u32) -> PathBuf {
    folder().join(format!("server-state.damaged-{number}.toml"))
}

fn open(disk: &FaultyDisk) -> (StateStore<FaultyDisk>, State, Vec<String>) {
    StateStore::open_on(disk.clone(), folder()).unwrap()
}

/// What is opened, where there is nothing to repair.
fn opened(disk: &FaultyDisk) -> State {
    let (_, state, notes) = open(disk);
    assert_eq!(notes, Vec::<String>::new());
    state
}

/// A disk on which a state is saved.
fn saved(seed: u64) -> (FaultyDisk, StateStore<FaultyDisk>, State) {
    let disk = FaultyDisk::new(seed);
    let (mut store, empty, _) = open(&disk);
    assert_eq!(empty, State::default());
    store.save(&state()).unwrap();
    (disk, store, state())
}

/// A later state.
fn next(state: &State, number: u16) -> State {
    let mut next = state.clone();
    next.add_client(client(&format!("new-{number}"), number)).unwrap();
    next
}

fn contents(disk: &FaultyDisk) -> [Option<Vec<u8>>; 2] {
    [first_in(folder()), copy_in(folder())].map(|path| disk.content(&path))
}

#[test]
fn what_is_saved_is_opened_again_and_stands_in_both_files() {
    let (disk, mut store, state) = saved(1);
    assert_eq!(opened(&disk), state);
    let before = disk.operations();
    store.save(&next(&state, 9)).unwrap();
    assert_eq!(disk.operations() - before, OPERATIONS);
    assert_eq!(opened(&disk), next(&state, 9));
    let [first, copy] = contents(&disk);
    assert!(first.is_some() && first == copy);
}

#[test]
fn on_a_real_disk_both_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _, _) = StateStore::open(folder.path()).unwrap();
    store.save(&state()).unwrap();
    for path in [first_in(folder.path()), copy_in(folder.path())] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!(StateStore::open(folder.path()).unwrap().1, state());
}

#[test]
fn a_full_disk_refuses_a_save_and_changes_nothing() {
    for operation in 0..FIRST_RENAME {
        let (disk, mut store, state) = saved(operation);
        let before = contents(&disk);
        disk.fail_after(operation, Fault::NoSpace);
        // Removing what a crash may have left needs no room.
        let outcome = store.save(&next(&state, 9));
        if matches!(operation, 0 | 4) {
            outcome.unwrap();
            continue;
        }
        let error = outcome.unwrap_err();
        assert!(matches!(error, StateError::NotSaved(_)), "{error}");
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert!(error.hint().unwrap().contains("df -h /state"));
        assert_eq!(contents(&disk), before);
        assert_eq!(opened(&disk), state);
        store.save(&next(&state, 10)).unwrap();
        assert_eq!(opened(&disk), next(&state, 10));
    }
}

#[test]
fn a_crash_between_the_two_files_brings_up_the_state_that_was_being_saved() {
    for seed in 0..20 {
        let (disk, mut store, state) = saved(seed);
        // Both are written, the first is in place for good; the copy is not.
        disk.fail_after(FIRST_RENAME + 2, Fault::Crash);
        store.save(&next(&state, 9)).unwrap_err();
        disk.restart(Loss::Unsynced);
        let (_, opened_state, _) = open(&disk);
        assert_eq!(opened_state, next(&state, 9));
        disk.restart(Loss::Unsynced);
        assert_eq!(opened(&disk), next(&state, 9), "and both say so from then on");
    }
}

#[test]
fn what_was_opened_after_a_kill_is_durable_even_where_the_copy_cannot_be_written() {
    for seed in 0..40 {
        let (disk, mut store, state) = saved(seed);
        // Killed when the first had its new name, which was not durable yet.
        disk.fail_after(FIRST_RENAME + 1, Fault::Crash);
        store.save(&next(&state, 9)).unwrap_err();
        disk.restart(Loss::Nothing);
        (3..12).for_each(|skipped| disk.fail_after(skipped, Fault::NoSpace));
        let (_, opened_state, notes) = open(&disk);
        assert_eq!(opened_state, next(&state, 9));
        assert!(notes[0].contains("did not get to its end; the original is used"), "{notes:?}");
        disk.restart(Loss::Unsynced);
        assert_eq!(open(&disk).1, next(&state, 9), "seed {seed}");
    }
}

#[test]
fn the_later_of_two_is_taken_wherever_it_stands() {
    for path in [first_in(folder()), copy_in(folder())] {
        let (disk, mut store, state) = saved(1);
        store.save(&next(&state, 9)).unwrap();
        let earlier = disk.content(&path).unwrap();
        let later = next(&next(&state, 9), 10);
        store.save(&later).unwrap();
        disk.put(&path, &earlier);
        assert_eq!(open(&disk).1, later);
        assert_eq!(opened(&disk), later);
    }
}

#[test]
fn a_refused_state_never_hides_one_that_was_acknowledged_later() {
    for seed in 0..200 {
        let (disk, mut store, state) = saved(seed);
        disk.fail_after(FIRST_RENAME + seed % 4, Fault::Io);
        let error = store.save(&next(&state, 9)).unwrap_err();
        assert!(matches!(error, StateError::Uncertain(_)), "{error}");
        store.save(&next(&state, 10)).unwrap();
        disk.restart(Loss::Unsynced);
        assert_eq!(opened(&disk), next(&state, 10), "seed {seed}");
    }
}

#[test]
fn a_damaged_file_is_kept_aside_and_made_anew_from_the_other() {
    for path in [first_in(folder()), copy_in(folder())] {
        let (disk, _, state) = saved(1);
        disk.put(&path, b"garbage");
        let (mut store, opened_state, notes) = open(&disk);
        assert_eq!(opened_state, state);
        let [note] = notes.as_slice() else { panic!("{notes:?}") };
        for words in
            [path.to_str().unwrap(), "cut off", "damaged-1.toml", "nothing that was acknowledged is lost"]
        {
            assert!(note.contains(words), "{note}");
        }
        assert_eq!(disk.content(&damaged(1)).as_deref(), Some(&b"garbage"[..]));
        assert_eq!(opened(&disk), state);
        store.save(&next(&state, 9)).unwrap();
        assert_eq!(opened(&disk), next(&state, 9));
    }
}

#[test]
fn of_damaged_files_only_the_last_few_are_kept() {
    let (disk, _, _) = saved(1);
    for number in 1..=9_u8 {
        disk.put(&first_in(folder()), &[number]);
        open(&disk);
    }
    let kept = [1, 2, 3, 4].map(|number| disk.content(&damaged(number)));
    assert_eq!(kept, [9, 8, 7, 6].map(|number| Some(vec![number])));
    assert_eq!(disk.content(&damaged(5)), None);
}

#[test]
fn a_missing_file_is_made_anew_from_the_other() {
    for path in [first_in(folder()), copy_in(folder())] {
        let (mut disk, _, state) = saved(1);
        disk.remove(&path).unwrap();
        let (_, opened_state, notes) = open(&disk);
        assert_eq!(opened_state, state);
        assert!(notes[0].contains(&format!("{} was missing", path.display())), "{notes:?}");
        assert_eq!(opened(&disk), state);
    }
}

#[test]
fn where_both_are_damaged_nothing_is_handed_out_and_nothing_overwritten() {
    let damage: [Option<&[u8]>; 3] = [Some(b"garbage"), Some(b""), None];
    for (first, copy) in damage.iter().flat_map(|first| damage.iter().map(move |copy| (*first, *copy))) {
        let disk = FaultyDisk::new(1);
        let both = [(first_in(folder()), first), (copy_in(folder()), copy)];
        for (path, content) in both {
            content.into_iter().for_each(|content| disk.put(&path, content));
        }
        let before = contents(&disk);
        let outcome = StateStore::open_on(disk.clone(), folder()).map(|(_, state, _)| state);
        if first.is_none() && copy.is_none() {
            assert_eq!(outcome.unwrap(), State::default());
            continue;
        }
        let error = outcome.unwrap_err();
        assert!(matches!(error, StateError::BothDamaged { .. }), "{error}");
        assert!(error.to_string().contains("server-state.copy.toml: it is"), "{error}");
        assert!(error.hint().unwrap().contains("v6tun-server restore FILE"));
        assert_eq!(contents(&disk), before);
    }
}

#[test]
fn one_of_a_newer_version_is_refused_and_left_alone_wherever_it_stands() {
    let newer = file::signed("version = 2\nanything\n");
    for path in [first_in(folder()), copy_in(folder())] {
        let (disk, _, state) = saved(1);
        disk.put(&path, newer.as_bytes());
        let before = contents(&disk);
        let error = StateStore::open_on(disk.clone(), folder()).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        assert!(error.hint().unwrap().contains("upgrade"));
        StateStore::restore_on(disk.clone(), folder(), &state).unwrap_err();
        assert_eq!(contents(&disk), before);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_damaged_if_the_disk_has_lost_it() {
    let (disk, _, state) = saved(1);
    disk.fail_after(0, Fault::Io);
    let (_, opened_state, notes) = open(&disk);
    assert_eq!(opened_state, state);
    assert!(notes[0].contains("Input/output error"), "{notes:?}");
    assert_eq!(opened(&disk), state);
}

#[test]
fn where_a_file_cannot_be_made_anew_the_other_is_used_nevertheless() {
    let (disk, _, state) = saved(1);
    disk.put(&copy_in(folder()), b"garbage");
    for skipped in 3..16 {
        disk.fail_after(skipped, Fault::NoSpace);
    }
    let (mut store, opened_state, notes) = open(&disk);
    assert_eq!(opened_state, state);
    assert!(notes[0].contains("cannot be made anew"), "{notes:?}");
    disk.forgive();
    store.save(&next(&state, 9)).unwrap();
    assert_eq!(opened(&disk), next(&state, 9));
}

#[test]
fn a_look_at_the_state_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(StateStore::peek(folder.path()).unwrap(), State::default());
    assert_eq!(StateStore::peek(&folder.path().join("missing")).unwrap(), State::default());
    StateStore::open(folder.path()).unwrap().0.save(&state()).unwrap();
    std::fs::write(first_in(folder.path()), "garbage").unwrap();
    assert_eq!(StateStore::peek(folder.path()).unwrap(), state());
    assert_eq!(std::fs::read_to_string(first_in(folder.path())).unwrap(), "garbage");
}

#[test]
fn restoring_replaces_what_is_there_damaged_or_not() {
    for damage in [None, Some(b"garbage")] {
        let (disk, mut store, state) = saved(1);
        store.save(&next(&state, 9)).unwrap();
        for path in [first_in(folder()), copy_in(folder())] {
            damage.into_iter().for_each(|damage| disk.put(&path, damage));
        }
        let mut store = StateStore::restore_on(disk.clone(), folder(), &state).unwrap();
        assert_eq!(opened(&disk), state);
        assert_eq!(disk.content(&damaged(2)).is_some(), damage.is_some(), "both are kept");
        store.save(&next(&state, 10)).unwrap();
        assert_eq!(opened(&disk), next(&state, 10));
    }
}

#[test]
fn a_crash_while_restoring_over_damage_never_leaves_an_empty_state() {
    for seed in 0..1000 {
        let disk = FaultyDisk::new(seed);
        for path in [first_in(folder()), copy_in(folder())] {
            disk.put(&path, b"garbage");
        }
        disk.fail_after(seed % 30, Fault::Crash);
        let restored = StateStore::restore_on(disk.clone(), folder(), &state());
        disk.restart(if seed % 2 == 0 { Loss::Nothing } else { Loss::Unsynced });
        match StateStore::open_on(disk, folder()) {
            Ok((_, opened_state, _)) => assert_eq!(opened_state, state(), "seed {seed}"),
            Err(error) => assert!(restored.is_err() && matches!(error, StateError::BothDamaged { .. })),
        }
    }
}

#[test]
fn a_state_that_could_not_be_opened_again_is_not_saved() {
    let (disk, mut store, state) = saved(1);
    let mut wrong = state.clone();
    wrong.clients[0].address = address(2);
    let error = store.save(&wrong).unwrap_err();
    assert_eq!(error.to_string(), "cannot save the state: two clients have the address 2001:db8::2");
    assert_eq!(opened(&disk), state);
}
