//! The file's mode.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn the_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
