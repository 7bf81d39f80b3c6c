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
