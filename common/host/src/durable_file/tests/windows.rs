//! The file's access list.

use std::fs::File;

use v6tun_files::windows_security::{
    ADMINISTRATORS, ANY, OWNER, SYSTEM, access_list_of, own_owner, own_user,
};

use super::*;

#[test]
fn a_file_whose_mode_gives_nothing_to_others_is_closed_to_them_and_another_one_is_as_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, plain) = (folder.path().join("client.psk"), folder.path().join("plain"));
    std::fs::write(&plain, "").unwrap();
    let as_plain = access_list_of(File::open(&plain).unwrap()).unwrap();
    replace(&secret, b"secret", 0o600).unwrap();
    let list = access_list_of(File::open(&secret).unwrap()).unwrap();
    let own = [own_owner().unwrap(), own_user().unwrap()];
    let trusted = [SYSTEM, ADMINISTRATORS, OWNER, &own[0], &own[1]];
    assert_eq!(list.first_other_with(ANY, &trusted), None, "{list:?}");
    replace(&plain, b"plain", 0o644).unwrap();
    assert_eq!(access_list_of(File::open(&plain).unwrap()).unwrap(), as_plain);
}
