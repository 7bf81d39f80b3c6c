//! The file's mode.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_file_has_the_mode_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.psk");
    for mode in [0o600, 0o644] {
        replace(&path, b"content", mode).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn the_hints_are_commands() {
    let hint_of = |kind: io::ErrorKind| failed("write", Path::new(FILE))(kind.into()).hint().unwrap();
    assert!(hint_of(io::ErrorKind::StorageFull).contains("`df -h /state`"));
    assert!(hint_of(io::ErrorKind::ReadOnlyFilesystem).contains("findmnt"));
    assert!(hint_of(io::ErrorKind::PermissionDenied).contains("sudo"));
}

#[test]
fn one_that_somebody_has_open_is_replaced_and_stays_what_it_was_to_them() {
    use std::io::Read;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.psk");
    replace(&path, b"first", 0o600).unwrap();
    let mut reader = std::fs::File::open(&path).unwrap();
    replace(&path, b"second", 0o600).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), std::fs::read_to_string(&path).unwrap().as_str()), ("first", "second"));
}
