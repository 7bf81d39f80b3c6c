//! Access lists.

use v6tun_files::windows_security::create_new;

use super::*;

fn file_with_list(list: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.key");
    create_new(&path, list).unwrap().write_all(KEY.as_bytes()).unwrap();
    (dir, path)
}

#[test]
fn a_file_that_everyone_may_read_is_refused_with_the_commands_that_close_it() {
    let (_dir, path) = file_with_list("D:P(A;;FA;;;SY)(A;;FA;;;OW)(A;;FR;;;WD)");
    let error = read_private_key(&path).unwrap_err();
    assert!(error.to_string().ends_with("client.key: its access list lets Everyone at it"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains(&format!("`icacls \"{}\" /inheritance:r /grant:r", path.display())), "{hint}");
}

#[test]
fn a_file_of_its_owner_system_and_administrators_is_read() {
    let (_dir, path) = file_with_list("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;OW)");
    assert_eq!(*read_private_key(&path).unwrap().to_base64(), KEY);
}

#[test]
fn a_missing_file_comes_with_the_command_that_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my client.key");
    let error = read_private_key(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::Missing { .. }));
    let hint = error.hint().unwrap();
    assert!(hint.starts_with(&format!("`v6tun genkey > \"{}\"`", path.display())), "{hint}");
    assert!(read_preshared_key(&path).unwrap_err().hint().unwrap().contains("v6tun genpsk > "));
}

#[test]
fn a_folder_is_no_key_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_private_key(dir.path()).unwrap_err();
    assert!(matches!(error, KeyFileError::NotARegularFile { .. }), "{error:?}");
}
