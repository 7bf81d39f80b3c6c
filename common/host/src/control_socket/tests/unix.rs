//! A socket's file, and who may open it.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{platform::may_ask, *};

#[tokio::test]
async fn the_file_is_its_owners_alone_and_goes_with_the_program() {
    let running = start(2);
    let path = running.path();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let _dir = running.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_left_by_a_killed_program_means_nobody_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(request::<_, String>(&path, &"ab").await.unwrap(), None);
    let lock = InstanceLock::acquire(&dir.path().join("lock")).unwrap();
    ControlSocket::bind(&path, &lock).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.sock");
    fs::write(&path, "precious").unwrap();
    let lock = InstanceLock::acquire(&dir.path().join("lock")).unwrap();
    let error = ControlSocket::bind(&path, &lock).unwrap_err();
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn only_root_and_the_programs_own_user_may_ask() {
    for (asking, own, is_answered) in [(0, 1000, true), (1000, 1000, true), (0, 0, true), (1000, 0, false)] {
        assert_eq!(may_ask(asking, own), is_answered, "{asking} asks {own}");
    }
}

/// Asks from a thread that has become another user; `None` where it cannot.
async fn ask_as_nobody(path: &Path) -> Option<Result<Option<String>, ControlError>> {
    use rustix::{process::Uid, thread::set_thread_res_uid};
    let (nobody, path) = (Uid::from_raw(65534), path.to_owned());
    let thread = std::thread::spawn(move || {
        if let Err(error) = set_thread_res_uid(nobody, nobody, nobody) {
            eprintln!("skipped: another user's thread needs root: {error}");
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(runtime.block_on(request::<_, String>(&path, &"ab")))
    });
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap()
}

#[tokio::test]
async fn another_user_is_refused_even_where_the_file_is_open_to_all() {
    let running = start(2);
    let path = running.path();
    if let Some(closed) = ask_as_nobody(&path).await {
        assert!(matches!(closed.unwrap_err(), ControlError::Request { .. }), "the file's mode");
    }
    fs::set_permissions(running.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    if let Some(refused) = ask_as_nobody(&path).await {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("user 65534 may not ask"), "{error}");
    }
    let answer: Option<String> = request(&path, &"ab").await.unwrap();
    assert_eq!(answer.as_deref(), Some("abab"));
    running.stop().await;
}
