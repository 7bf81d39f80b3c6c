//! The file's access list.

use std::{
    fs::{File, OpenOptions},
    os::windows::fs::OpenOptionsExt,
    sync::mpsc,
    thread,
};

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

#[test]
fn a_file_that_somebody_holds_for_a_moment_is_replaced_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.psk");
    replace(&path, b"first", 0o600).unwrap();
    let held = OpenOptions::new().read(true).share_mode(0).open(&path).unwrap();
    assert!(rename_on(&mut RealDisk, &path, &folder.path().join("aside")).is_err(), "it is held for ever");
    let (begin, begun) = mpsc::channel();
    let scanner = thread::spawn(move || {
        begun.recv().unwrap();
        drop(held);
    });
    let prepared = Prepared::write(&mut RealDisk, &path, b"second", 0o600).unwrap();
    begin.send(()).unwrap();
    prepared.commit(&mut RealDisk).unwrap();
    scanner.join().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
}

#[test]
fn a_refusal_says_how_to_be_an_administrator() {
    let error = failed("write", Path::new(FILE))(io::ErrorKind::PermissionDenied.into());
    assert!(error.hint().unwrap().contains("administrator"));
}
