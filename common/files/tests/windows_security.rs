//! Access lists as Windows keeps them.

#![cfg(windows)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::windows::fs::OpenOptionsExt,
    path::Path,
};

use v6tun_files::windows_security::{
    ADMINISTRATORS, ANY, AccessList, FILE_OF_OWNER, FOLDER_OF_OWNER, OWNER, SYSTEM, SecurityDescriptor,
    access_list_of, create_folder, create_new, own_owner, own_user,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_BACKUP_SEMANTICS, READ_CONTROL};

fn list_of(path: &Path) -> AccessList {
    let how =
        OpenOptions::new().access_mode(READ_CONTROL).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    access_list_of(how.expect("it is made or found")).expect("its access list")
}

/// Who is not this process, nor mightier than all.
fn first_other(list: &AccessList) -> Option<&str> {
    let own = [own_owner().expect("the owner"), own_user().expect("the user")];
    list.first_other_with(ANY, &[SYSTEM, ADMINISTRATORS, OWNER, &own[0], &own[1]])
}

#[test]
fn what_is_made_for_its_owner_lets_nobody_else_in() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("folder"), dir.path().join("file"));
    create_folder(&folder, FOLDER_OF_OWNER).unwrap();
    create_new(&file, FILE_OF_OWNER).unwrap();
    for path in [&folder, &file] {
        let list = list_of(path);
        assert_eq!(first_other(&list), None, "{list:?}");
        assert!(
            [own_owner().unwrap(), own_user().unwrap()].iter().any(|own| own == list.owner()),
            "{list:?}"
        );
    }
}

#[test]
fn what_is_open_to_everyone_is_seen_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    create_new(&path, "D:P(A;;FA;;;OW)(A;;FR;;;WD)").unwrap();
    assert_eq!(first_other(&list_of(&path)), Some("WD"));
}

#[test]
fn a_new_file_is_written_read_renamed_and_removed_as_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("file"), dir.path().join("moved"));
    let mut file = create_new(&path, FILE_OF_OWNER).unwrap();
    file.write_all(b"text").unwrap();
    fs::rename(&path, &moved).unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), fs::read_to_string(&moved).unwrap().as_str()), ("text", "text"));
    fs::remove_file(&moved).unwrap();
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    File::create(&path).unwrap();
    let outcomes = [create_new(&path, FILE_OF_OWNER).map(drop), create_folder(&path, FOLDER_OF_OWNER)];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}

#[test]
fn a_list_that_windows_does_not_understand_and_a_path_that_is_none_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    assert!(SecurityDescriptor::from_sddl("D:P(A;;FA;;;nobody)").is_err());
    let missing = dir.path().join("none").join("file");
    assert_eq!(create_new(&missing, FILE_OF_OWNER).unwrap_err().kind(), io::ErrorKind::NotFound);
    let long = dir.path().join("x".repeat(200)).join("y".repeat(200));
    assert_eq!(create_folder(&long, FOLDER_OF_OWNER).unwrap_err().kind(), io::ErrorKind::NotFound);
    let zero = dir.path().join("a\0b");
    assert_eq!(create_folder(&zero, FOLDER_OF_OWNER).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_path_longer_than_windows_takes_by_itself_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (above, below) = (dir.path().join("x".repeat(200)), "y".repeat(100));
    create_folder(&above, FOLDER_OF_OWNER).unwrap();
    create_folder(&above.join(&below), FOLDER_OF_OWNER).unwrap();
    create_new(&above.join(&below).join("file"), FILE_OF_OWNER).unwrap();
}
