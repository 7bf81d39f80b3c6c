//! The file's access list.

use v6tun_files::windows_security::{
    ADMINISTRATORS, ANY, OWNER, SYSTEM, access_list_of, own_owner, own_user,
};

use super::*;

#[test]
fn the_file_is_its_owners_and_administrators_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("undo");
    drop(with_three_changes(&path));
    let list = access_list_of(File::open(&path).unwrap()).unwrap();
    let own = [own_owner().unwrap(), own_user().unwrap()];
    let trusted = [SYSTEM, ADMINISTRATORS, OWNER, &own[0], &own[1]];
    assert_eq!(list.first_other_with(ANY, &trusted), None, "{list:?}");
}
