//! Modes, links and pipes.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn file_of_mode(mode: u32) -> (TempDir, PathBuf) {
    let (dir, path) = file_with(KEY.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

#[test]
fn a_file_open_to_group_or_others_is_refused_with_the_command_that_closes_it() {
    for mode in [0o640, 0o604, 0o620, 0o644] {
        let (_dir, path) = file_of_mode(mode);
        let error = read_private_key(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Permissions { .. }), "{error:?}");
        assert!(error.to_string().ends_with(&format!(": its mode {mode:04o} lets others at it")), "{error}");
        assert_eq!(error.hint().unwrap(), format!("chmod 600 {}", path.display()));
    }
}

#[test]
fn a_symbolic_link_is_judged_by_the_file_that_it_leads_to() {
    let (dir, path) = file_of_mode(0o400);
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
fn a_new_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.key");
    write_new(&path, KEY).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
