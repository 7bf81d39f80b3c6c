//! Requests and answers in a directory of the test's own.

use tokio::sync::oneshot;

use super::*;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

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
async fn a_request_is_answered_until_the_program_ends() {
    let running = start(2);
    let path = running.path();
    let answer: Option<String> = request(&path, &"ab").await.unwrap();
    assert_eq!(answer.as_deref(), Some("abab"));
    assert!(is_listened_to(&path).await);
    let _dir = running.stop().await;
    assert!(!is_listened_to(&path).await);
    assert_eq!(request::<_, String>(&path, &"ab").await.unwrap(), None);
}

#[tokio::test]
async fn an_endless_request_is_cut_off_and_others_are_served() {
    let running = start(2);
    let mut stream = platform::connect(&running.path()).await.unwrap().unwrap();
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

#[tokio::test]
async fn one_that_hangs_up_at_once_costs_nobody_an_answer() {
    let running = start(2);
    for _ in 0..3 * CONTROL_CONNECTIONS {
        drop(platform::connect(&running.path()).await.unwrap().unwrap());
    }
    let answer: Option<String> = request(&running.path(), &"c").await.unwrap();
    assert_eq!(answer.as_deref(), Some("cc"));
    running.stop().await;
}

#[tokio::test]
async fn many_at_once_are_all_answered() {
    let running = start(2);
    let mut askers = JoinSet::new();
    for _ in 0..4 * CONTROL_CONNECTIONS {
        let path = running.path();
        askers.spawn(async move { request::<_, String>(&path, &"c").await });
    }
    while let Some(answer) = askers.join_next().await {
        assert_eq!(answer.unwrap().unwrap().as_deref(), Some("cc"));
    }
    running.stop().await;
}
