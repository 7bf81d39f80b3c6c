//! Requests and answers in a directory of the test's own.

use tokio::sync::oneshot;

use super::*;

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

/// Serves an answer that is each request twice.
fn start() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let lock = InstanceLock::acquire(&dir.path().join("lock")).unwrap();
    let socket = ControlSocket::bind(&dir.path().join("client.sock"), &lock).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(socket.serve(
        async {
            let _ = stopped.await;
        },
        |request: String| async move { request.repeat(2) },
    ));
    Running { dir, stop, task }
}

#[tokio::test]
async fn a_request_is_answered_and_the_file_goes_with_the_program() {
    let running = start();
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
    let running = start();
    let mut stream = UnixStream::connect(running.path()).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; 2 * CONTROL_MESSAGE_LEN]).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    let answer: Option<String> = request(&running.path(), &"c").await.unwrap();
    assert_eq!(answer.as_deref(), Some("cc"));
    running.stop().await;
}

#[tokio::test]
async fn an_answer_longer_than_the_bound_is_an_error_on_the_asking_side() {
    let running = start();
    let long = "y".repeat(CONTROL_MESSAGE_LEN / 2 + 10);
    assert!(request::<_, String>(&running.path(), &long).await.is_err());
    running.stop().await;
}
