use std::error::Error as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=";

fn file_with(content: &[u8], mode: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.key");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

fn malformed(content: &[u8]) -> KeyError {
    let (_dir, path) = file_with(content, 0o600);
    match read_private_key(&path) {
        Err(KeyFileError::Malformed { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_read_with_and_without_white_space_behind_it() {
    for tail in ["", "\n", " \r\n\n"] {
        let (_dir, path) = file_with(format!("{KEY}{tail}").as_bytes(), 0o600);
        assert_eq!(*read_private_key(&path).unwrap().to_base64(), KEY);
        assert_eq!(*read_preshared_key(&path).unwrap().to_base64(), KEY);
    }
}

#[test]
fn a_file_open_to_group_or_others_is_refused_with_the_command_that_closes_it() {
    for mode in [0o640, 0o604, 0o620, 0o644] {
        let (_dir, path) = file_with(KEY.as_bytes(), mode);
        let error = read_private_key(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Permissions { mode: found, .. } if found == mode), "{error:?}");
        assert!(error.to_string().contains(&format!("{mode:04o}")), "{error}");
        assert_eq!(error.hint().unwrap(), format!("chmod 600 {}", path.display()));
    }
}

#[test]
fn a_symbolic_link_is_judged_by_the_file_that_it_leads_to() {
    let (dir, path) = file_with(KEY.as_bytes(), 0o400);
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(*read_private_key(&link).unwrap().to_base64(), KEY);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(matches!(read_private_key(&link), Err(KeyFileError::Permissions { .. })));
}

#[test]
fn a_missing_file_comes_with_the_command_that_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my server.key");
    let error = read_private_key(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::Missing { .. }));
    assert_eq!(error.hint().unwrap(), format!("(umask 077; v6tun genkey > '{}')", path.display()));
    let error = read_preshared_key(&path).unwrap_err();
    assert!(error.hint().unwrap().contains("v6tun genpsk > "));
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [dir.path(), &pipe, Path::new("/dev/null")] {
        let error = read_private_key(path).unwrap_err();
        assert!(matches!(error, KeyFileError::NotARegularFile { .. }), "{error:?}");
    }
}

#[test]
fn a_file_over_four_kibibytes_is_refused_and_a_full_one_is_read() {
    let mut content = KEY.as_bytes().to_vec();
    content.resize(MAX_KEY_FILE_LEN, b'\n');
    let (_dir, path) = file_with(&content, 0o600);
    assert!(read_private_key(&path).is_ok());
    content.push(b'\n');
    fs::write(&path, &content).unwrap();
    assert!(matches!(read_private_key(&path), Err(KeyFileError::TooLarge { .. })));
}

#[test]
fn malformed_content_is_named_without_being_shown() {
    assert_eq!(malformed(b""), KeyError::WrongLength { found: 0 });
    assert_eq!(malformed(&KEY.as_bytes()[..43]), KeyError::WrongLength { found: 43 });
    assert_eq!(malformed(format!("{KEY}\n{KEY}\n").as_bytes()), KeyError::WrongLength { found: 89 });
    assert_eq!(malformed(KEY.replace("ICQo", "IC*o").as_bytes()), KeyError::NotBase64 { position: 14 });
    let (_dir, path) = file_with(KEY.replace("ICQo", "IC*o").as_bytes(), 0o600);
    let error = read_private_key(&path).unwrap_err();
    let said = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(!said.contains("AAEC") && said.contains("not base64"), "{said}");
}

#[test]
fn a_new_file_is_its_owners_alone_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.key");
    write_new(&path, KEY).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{KEY}\n"));
    assert!(matches!(write_new(&path, "other"), Err(KeyFileError::Exists { .. })));
    assert_eq!(*read_private_key(&path).unwrap().to_base64(), KEY);
}

#[test]
fn a_folder_that_is_missing_is_an_error_of_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let error = write_new(&dir.path().join("none/new.key"), KEY).unwrap_err();
    assert!(matches!(error, KeyFileError::Io { operation: "write", .. }), "{error:?}");
}
