//! Requests and answers in a directory of the test's own.

use std::{fs, os::unix::fs::PermissionsExt};

use tokio::{net::UnixStream, sync::oneshot};

use super::{platform::may_ask, *};

struct Running {
    dir: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn path(&self) -> PathBuf {
        self.dir.path().join("client.sock")
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.dir
    }
}

/// Makes of a request of 400 bytes an answer of 800 000.
const BIG: usize = 2000;

/// Serves an answer that is each request so many times.
fn start(times: usize) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let lock = InstanceLock::acquire(&dir.path().join("lock")).unwrap();
    let socket = ControlSocket::bind(&dir.path().join("client.sock"), &lock).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(socket.serve(
        async {
            let _ = stopped.await;
        },
        move |request: String| async move { request.repeat(times) },
    ));
    Running { dir, stop, task }
}

#[tokio::test]
async fn a_request_is_answered_and_the_file_goes_with_the_program() {
    let running = start(2);
    let path = running.path();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let answer: Option<String> = request(&path, &"ab").await.unwrap();
    assert_eq!(answer.as_deref(), Some("abab"));
    let _dir = running.stop().await;
    assert!(!path.exists());
    assert_eq!(request::<_, String>(&path, &"ab").await.unwrap(), None);
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

#[tokio::test]
async fn an_endless_request_is_cut_off_and_others_are_served() {
    let running = start(2);
    let mut stream = UnixStream::connect(running.path()).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; 2 * CONTROL_REQUEST_LEN]).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    let answer: Option<String> = request(&running.path(), &"c").await.unwrap();
    assert_eq!(answer.as_deref(), Some("cc"));
    running.stop().await;
}

#[tokio::test]
async fn an_answer_much_longer_than_any_request_arrives_whole() {
    let running = start(BIG);
    let answer: Option<String> = request(&running.path(), &"s".repeat(400)).await.unwrap();
    assert_eq!(answer.unwrap().len(), 800_000, "2000 clients of 400 bytes");
    running.stop().await;
}

#[tokio::test]
async fn an_answer_longer_than_the_bound_is_explained_to_the_asking_side() {
    let running = start(BIG);
    let long = "y".repeat(CONTROL_ANSWER_LEN / BIG + 1);
    let error = request::<_, String>(&running.path(), &long).await.unwrap_err();
    assert!(matches!(error, ControlError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("at most 1048576 are sent"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_explained_to_the_asking_side() {
    let running = start(2);
    let error = request::<_, String>(&running.path(), &7).await.unwrap_err();
    assert!(error.to_string().contains("the request is not understood"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn a_request_longer_than_the_bound_is_not_sent() {
    let running = start(2);
    let long = "y".repeat(CONTROL_REQUEST_LEN);
    let error = request::<_, String>(&running.path(), &long).await.unwrap_err();
    assert!(error.to_string().contains("at most 65536 are sent"), "{error}");
    running.stop().await;
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
