//! A pipe's name, and how long an answer stands.

use tokio::io::AsyncWriteExt;

use super::*;

#[tokio::test]
async fn a_name_that_another_program_has_is_not_shared_with_it() {
    let running = start(2);
    let lock = InstanceLock::acquire(&running.dir.path().join("lock-2")).unwrap();
    let error = ControlSocket::bind(&running.path(), &lock).unwrap_err();
    assert!(error.to_string().contains("another program has its name"), "{error}");
    assert!(error.hint().unwrap().contains("v6tun-"));
    running.stop().await;
}

#[tokio::test]
async fn a_program_that_ends_after_its_answer_leaves_it_to_be_read() {
    let running = start(BIG);
    let mut stream = platform::connect(&running.path()).await.unwrap().unwrap();
    stream.write_all(&encode(&"s".repeat(400), CONTROL_REQUEST_LEN).unwrap()).await.unwrap();
    let mut begun = [0];
    stream.read_exact(&mut begun).await.unwrap();
    let (rest, _dir) = tokio::join!(read_line(&mut stream, CONTROL_ANSWER_LEN), async {
        // What reads has closed nothing yet when the program is told to stop.
        running.stop.send(()).unwrap();
    });
    assert_eq!(rest.unwrap().len(), 800_000 + 1);
    drop(stream);
    running.task.await.unwrap();
}
