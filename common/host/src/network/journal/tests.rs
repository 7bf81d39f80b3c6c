use super::*;
use crate::network::InterfaceAddress;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

fn identity() -> Identity {
    Identity { boot_id: "11111111-2222".into(), network_namespace: 4_026_531_840 }
}

fn change(number: u16) -> Change {
    let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number);
    Change::AddProxy { link: "ens3".into(), address }
}

fn with_three_changes(path: &Path) -> Journal {
    let mut journal = Journal::open(path, identity()).unwrap();
    for number in 1..=3 {
        journal.record(u64::from(number), Phase::Do, &change(number)).unwrap();
    }
    journal
}

#[test]
fn what_is_recorded_is_read_again_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    let written = with_three_changes(&path).entries().to_vec();
    let read = Journal::open(&path, identity()).unwrap();
    assert_eq!(read.entries(), written);
    read.remove().unwrap();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn the_journal_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    with_three_changes(&path);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn nothing_is_created_before_something_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    assert!(Journal::open(&path, identity()).unwrap().is_empty());
    assert!(!path.exists());
}

#[test]
fn a_torn_last_line_is_cut_away_wherever_it_was_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        let mut journal = Journal::open(&path, identity()).unwrap();
        assert_eq!(journal.entries().len(), lines.saturating_sub(1), "torn at {length}");
        journal.record(9, Phase::Do, &change(9)).unwrap();
        let again = Journal::open(&path, identity()).unwrap();
        assert_eq!(again.entries(), journal.entries(), "torn at {length}");
    }
}

#[test]
fn a_damaged_line_is_an_error_only_when_the_others_are_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    let whole = std::fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for damage in [&b"garbage\n"[..], b"\0\0\0\n", b"\n", b"\xff\xfe{\n", b"{\"at\":1,\"phase\":\"do\"}\n"] {
        std::fs::write(&path, [lines[0], lines[1], damage, lines[3]].concat()).unwrap();
        let mut journal = Journal::open(&path, identity()).unwrap();
        let read: Vec<&Change> = journal.entries().iter().map(|entry| &entry.change).collect();
        assert_eq!(read, [&change(1), &change(3)]);
        journal.record(9, Phase::Do, &change(9)).unwrap_err();
        journal.record(9, Phase::Undo, &change(9)).unwrap();
        let error = journal.remove().unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
        assert!(error.hint().is_some());
        assert!(std::fs::read(&path).unwrap().windows(damage.len()).any(|part| part == damage), "it is kept");
    }
    std::fs::write(&path, [lines[0], b"garbage\n"].concat()).unwrap();
    assert!(!Journal::open(&path, identity()).unwrap().is_empty(), "it is not taken for undone");
}

#[test]
fn a_damaged_header_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [("boot-id", "boat-id"), ("\"version\":1", "\"version\":2")] {
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Journal::open(&path, identity()).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}

#[test]
fn a_journal_of_another_boot_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    let reboot = Identity { boot_id: "33333333-4444".into(), network_namespace: 1 };
    assert!(Journal::open(&path, reboot).unwrap().is_empty());
    assert!(!path.exists());
}

#[test]
fn a_journal_of_another_namespace_of_this_boot_is_kept_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    let written = with_three_changes(&path).entries().to_vec();
    let error = Journal::open(&path, Identity { network_namespace: 1, ..identity() }).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(error.hint().unwrap().contains("inside that network namespace"));
    assert_eq!(Journal::open(&path, identity()).unwrap().entries(), written);
}

#[test]
fn a_repair_made_over_and_over_is_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = with_three_changes(&folder.path().join("undo"));
    journal.record(100, Phase::Do, &change(2)).unwrap();
    assert_eq!(journal.entries().len(), 3);
}

/// What a repair records when a router has put a lent address back that lives for `valid` more seconds.
fn deletion(valid: Option<u32>) -> Change {
    let address = InterfaceAddress {
        valid,
        preferred: valid.map(|seconds| seconds / 2),
        ..InterfaceAddress::permanent("2001:db8::1".parse().unwrap(), 64)
    };
    Change::DeleteAddress { link: "ens3".into(), order: vec![address.address], address }
}

#[test]
fn repairs_for_a_days_long_router_keep_one_entry_with_lifetimes_that_are_not_far_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    let mut journal = Journal::open(&path, identity()).unwrap();
    journal.record(0, Phase::Do, &deletion(Some(1800))).unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let first = size();
    for at in (0..100_000).step_by(5) {
        let valid = 1800 - u32::from(at % 10 == 5);
        journal.record(at, Phase::Do, &deletion(Some(valid))).unwrap();
    }
    assert!(size() < first + 10, "{} bytes", size());
    let read = Journal::open(&path, identity()).unwrap();
    assert_eq!(read.entries(), journal.entries());
    let [Entry { at, .. }] = read.entries() else { panic!("{:?}", read.entries()) };
    assert!(*at > 99_000, "last renewed at {at}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_address_that_lives_for_ever_is_not_recorded_as_mortal() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&folder.path().join("undo"), identity()).unwrap();
    for valid in [None, Some(60)] {
        journal.record(0, Phase::Do, &deletion(valid)).unwrap();
        assert_eq!(journal.entries()[0].change, deletion(None));
    }
    assert_eq!(journal.entries().len(), 1);
}
