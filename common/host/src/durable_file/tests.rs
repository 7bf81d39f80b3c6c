use super::*;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

const FILE: &str = "/state/file";

fn old_and_new() -> (Vec<u8>, Vec<u8>) {
    (b"old ".repeat(100), b"new and longer ".repeat(100))
}

/// A disk with the old content, and how many operations replacing it takes.
fn disk(seed: u64) -> (FaultyDisk, u64) {
    let mut disk = FaultyDisk::new(seed);
    replace_on(&mut disk, Path::new(FILE), &old_and_new().0, 0o600).unwrap();
    let operations = disk.operations();
    (disk, operations)
}

#[test]
fn after_a_crash_at_any_moment_the_old_or_the_new_content_is_there() {
    let (old, new) = old_and_new();
    let mut seen = [0, 0];
    for seed in 0..2000 {
        let (mut disk, operations) = disk(seed);
        disk.fail_after(seed % operations, Fault::Crash);
        replace_on(&mut disk, Path::new(FILE), &new, 0o600).unwrap_err();
        assert!(disk.is_crashed());
        disk.restart(if seed % 3 == 0 { Loss::Nothing } else { Loss::Unsynced });
        let content = disk.content(Path::new(FILE)).unwrap();
        assert!(content == old || content == new, "seed {seed}: {} bytes", content.len());
        seen[usize::from(content == new)] += 1;
        replace_on(&mut disk, Path::new(FILE), &new, 0o600).unwrap();
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn what_was_replaced_stays_so_when_the_power_is_cut() {
    let (_, new) = old_and_new();
    for seed in 0..500 {
        let (mut disk, _) = disk(seed);
        replace_on(&mut disk, Path::new(FILE), &new, 0o600).unwrap();
        disk.restart(Loss::Unsynced);
        assert_eq!(disk.content(Path::new(FILE)), Some(new.clone()), "seed {seed}");
    }
}

#[test]
fn a_full_disk_changes_nothing_and_the_next_attempt_succeeds() {
    let (old, new) = old_and_new();
    for seed in 0..100 {
        let (mut disk, operations) = disk(seed);
        for skipped in 0..operations - 2 {
            disk.forgive();
            disk.fail_after(skipped, Fault::NoSpace);
            if let Err(error) = replace_on(&mut disk, Path::new(FILE), &new, 0o600) {
                assert_eq!(disk.content(Path::new(FILE)).as_ref(), Some(&old));
                assert_eq!(disk.content(&name_of_new(Path::new(FILE))), None, "no room is taken");
                assert!(error.hint().unwrap().contains("/state"), "{error}");
                assert!(error.hint().unwrap().ends_with("make room and try again"), "{error}");
            }
            disk.put(Path::new(FILE), &old);
        }
        disk.forgive();
        replace_on(&mut disk, Path::new(FILE), &new, 0o600).unwrap();
        assert_eq!(disk.content(Path::new(FILE)), Some(new.clone()));
    }
}

#[test]
fn a_failing_disk_never_leaves_a_mixture() {
    let (old, new) = old_and_new();
    for seed in 0..2000 {
        let (mut disk, operations) = disk(seed);
        disk.fail_after(seed % operations, Fault::Io);
        let outcome = replace_on(&mut disk, Path::new(FILE), &new, 0o600);
        disk.restart(Loss::Unsynced);
        let content = disk.content(Path::new(FILE)).unwrap();
        assert!(content == new || (outcome.is_err() && content == old), "seed {seed}");
    }
}

#[test]
fn an_error_says_what_on_which_file_and_why() {
    let (mut disk, _) = disk(1);
    disk.fail_after(2, Fault::NoSpace);
    let error = replace_on(&mut disk, Path::new(FILE), b"new", 0o600).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    assert_eq!(error.to_string(), format!("cannot write /state/file.new: {}", error.source));
}

#[test]
fn on_a_real_disk_it_replaces_what_is_there_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.psk");
    std::fs::write(name_of_new(&path), "left by a crash").unwrap();
    for content in ["first", "second"] {
        replace(&path, content.as_bytes(), 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn reading_is_bounded_and_takes_regular_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert_eq!(read_on(&mut RealDisk, &path, 4).unwrap(), None);
    for (content, expected) in [("four", Ok(b"four".to_vec())), ("fives", Err(io::ErrorKind::FileTooLarge))] {
        std::fs::write(&path, content).unwrap();
        let read = read_on(&mut RealDisk, &path, 4).map(Option::unwrap).map_err(|error| error.source.kind());
        assert_eq!(read, expected);
    }
    let error = read_on(&mut RealDisk, folder.path(), 4).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::InvalidData);
}
