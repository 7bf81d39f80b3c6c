use std::error::Error as _;
use std::fs;

use tempfile::TempDir;

use super::*;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=";

/// A key file that is its owner's alone.
fn file_with(content: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.key");
    platform::create_private(&path).unwrap().write_all(content).unwrap();
    (dir, path)
}

fn malformed(content: &[u8]) -> KeyError {
    let (_dir, path) = file_with(content);
    match read_private_key(&path) {
        Err(KeyFileError::Malformed { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_read_with_and_without_white_space_behind_it() {
    for tail in ["", "\n", " \r\n\n"] {
        let (_dir, path) = file_with(format!("{KEY}{tail}").as_bytes());
        assert_eq!(*read_private_key(&path).unwrap().to_base64(), KEY);
        assert_eq!(*read_preshared_key(&path).unwrap().to_base64(), KEY);
    }
}

#[test]
fn a_file_over_four_kibibytes_is_refused_and_a_full_one_is_read() {
    let mut content = KEY.as_bytes().to_vec();
    content.resize(MAX_KEY_FILE_LEN, b'\n');
    let (_dir, path) = file_with(&content);
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
    let (_dir, path) = file_with(KEY.replace("ICQo", "IC*o").as_bytes());
    let error = read_private_key(&path).unwrap_err();
    let said = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(!said.contains("AAEC") && said.contains("not base64"), "{said}");
}

#[test]
fn a_new_file_holds_the_key_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.key");
    write_new(&path, KEY).unwrap();
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

#[test]
fn a_key_that_powershell_has_written_is_read() {
    let little_endian = [&[0xff, 0xfe][..], &utf16(&format!("{KEY}\r\n"), u16::to_le_bytes)].concat();
    let big_endian = [&[0xfe, 0xff][..], &utf16(KEY, u16::to_be_bytes)].concat();
    for content in [little_endian, big_endian, format!("\u{feff}{KEY}\r\n").into_bytes()] {
        let (_dir, path) = file_with(&content);
        assert_eq!(*read_private_key(&path).unwrap().to_base64(), KEY, "{content:x?}");
    }
    assert_eq!(
        malformed(&utf16(KEY, u16::to_le_bytes)),
        KeyError::WrongLength { found: 87 },
        "without a mark"
    );
    assert_eq!(malformed(b"\xff\xfe\x00"), KeyError::NotBase64 { position: 1 });
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}
