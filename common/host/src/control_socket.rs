//! The socket by which `down` and `status` talk to the running program.
//!
//! One connection carries one request and one answer, each a line of JSON: a request of at most 64 KiB, an answer of
//! at most 1 MiB. A request that is not understood, and one whose answer would be longer, is answered by a line that
//! begins with `!`, as no JSON does, and says why.
//!
//! The socket's file is open to its owner alone, and the kernel says who connects (`SO_PEERCRED`): only root and the
//! program's own user are answered. On Windows it is a named pipe, whose access list admits SYSTEM and Administrators
//! alone. At most 16 connections are served at once, others wait in the kernel's queue; one that says nothing for 5
//! seconds is closed.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::{
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

#[cfg(unix)]
use self::unix as platform;
#[cfg(windows)]
use self::windows as platform;
use crate::{
    instance_lock::InstanceLock,
    limits::{ACCEPT_REST, CONTROL_ANSWER_LEN, CONTROL_CONNECTIONS, CONTROL_PATIENCE, CONTROL_REQUEST_LEN},
};

/// Begins a line that is a refusal instead of an answer.
const REFUSAL: u8 = b'!';

/// A listening control socket.
#[derive(Debug)]
pub struct ControlSocket {
    listener: platform::Listener,
}

impl ControlSocket {
    /// Listens at this path. The instance lock proves that a socket found there is left over, so it is replaced.
    ///
    /// # Errors
    ///
    /// When something else than a socket is there, or the directory cannot be written.
    pub fn bind(path: &Path, _lock: &InstanceLock) -> Result<Self, ControlError> {
        let failed = |source| ControlError::Bind { path: path.to_owned(), source };
        Ok(Self { listener: platform::Listener::bind(path).map_err(failed)? })
    }

    /// Answers requests until `stop`; connections that are open then get 5 seconds to finish, and the socket is
    /// removed.
    pub async fn serve<Req, Resp, H, F>(mut self, stop: impl Future<Output = ()>, handler: H)
    where
        Req: DeserializeOwned + Send + 'static,
        Resp: Serialize + Send + 'static,
        H: Fn(Req) -> F + Clone + Send + 'static,
        F: Future<Output = Resp> + Send + 'static,
    {
        let slots = Arc::new(Semaphore::new(CONTROL_CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let accept = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                (slot, accepted) = accept => match accepted {
                    Ok(stream) => {
                        let handler = handler.clone();
                        connections.spawn(async move {
                            let _slot = slot;
                            if let Err(error) = answer(stream, handler).await {
                                tracing::debug!(%error, "a control connection failed");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a control connection");
                        tokio::time::sleep(ACCEPT_REST).await;
                    }
                },
            }
        }
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(CONTROL_PATIENCE, drained).await;
    }
}

async fn answer<Req, Resp, F>(mut stream: platform::Incoming, handler: impl Fn(Req) -> F) -> io::Result<()>
where
    Req: DeserializeOwned,
    Resp: Serialize,
    F: Future<Output = Resp>,
{
    let admitted = platform::admit(&stream)?;
    let line = timeout(CONTROL_PATIENCE, read_line(&mut stream, CONTROL_REQUEST_LEN)).await??;
    let response = match admitted {
        Ok(()) => match serde_json::from_slice(&line) {
            Ok(request) => encode(&handler(request).await, CONTROL_ANSWER_LEN)
                .unwrap_or_else(|error| refusal(&format!("the answer cannot be sent: {error}"))),
            Err(error) => refusal(&format!("the request is not understood: {error}")),
        },
        Err(why) => refusal(&why),
    };
    timeout(CONTROL_PATIENCE, stream.write_all(&response)).await??;
    platform::finish(stream).await
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin), max_len: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let bounded = stream.take(max_len as u64);
    BufReader::new(bounded).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() + 1 >= max_len => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {max_len} bytes")))
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn encode(message: &impl Serialize, max_len: usize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if line.len() > max_len {
        let explanation = format!("it has {} bytes, and at most {max_len} are sent", line.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, explanation));
    }
    Ok(line)
}

fn refusal(reason: &str) -> Vec<u8> {
    // One line, whatever a parser quotes in its error.
    let mut line = vec![REFUSAL];
    line.extend(reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().bytes());
    line.push(b'\n');
    line
}

/// Asks the program that listens at this path, and waits 5 seconds for its answer. `None`: nobody listens.
///
/// # Errors
///
/// When the socket may not be used, or the answer is late, cut or not understood: [`ControlError::Request`]. When the
/// program says that it cannot answer: [`ControlError::Refused`].
pub async fn request<Req, Resp>(path: &Path, request: &Req) -> Result<Option<Resp>, ControlError>
where
    Req: Serialize,
    Resp: DeserializeOwned,
{
    request_within(path, request, CONTROL_PATIENCE).await
}

/// As [`request`], with another patience, for requests that take their time to fulfil.
///
/// # Errors
///
/// As [`request`].
pub async fn request_within<Req, Resp>(
    path: &Path,
    request: &Req,
    patience: Duration,
) -> Result<Option<Resp>, ControlError>
where
    Req: Serialize,
    Resp: DeserializeOwned,
{
    let exchange = async {
        let Some(mut stream) = platform::connect(path).await? else { return Ok(None) };
        stream.write_all(&encode(request, CONTROL_REQUEST_LEN)?).await?;
        Ok(Some(read_line(&mut stream, CONTROL_ANSWER_LEN).await?))
    };
    let failed = |source: io::Error| ControlError::Request { path: path.to_owned(), source };
    let outcome = timeout(patience, exchange).await.unwrap_or_else(|late| Err(late.into()));
    let Some(line) = outcome.map_err(failed)? else {
        return Ok(None);
    };
    if let Some((&REFUSAL, reason)) = line.split_first() {
        let reason = String::from_utf8_lossy(reason).into_owned();
        return Err(ControlError::Refused { path: path.to_owned(), reason });
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| failed(error.into()))
}

/// Whether a program listens at this path, as far as this process may know.
pub async fn is_listened_to(path: &Path) -> bool {
    match platform::connect(path).await {
        Ok(stream) => stream.is_some(),
        Err(error) => error.kind() == io::ErrorKind::ResourceBusy,
    }
}

/// Why the control socket could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It cannot be made.
    #[error("cannot make the control socket {}: {source}", path.display())]
    Bind {
        /// Where it should be.
        path: PathBuf,
        /// What stood in the way.
        source: io::Error,
    },
    /// The running program was not reached, or did not answer.
    #[error("no answer from the running program by {}: {source}", path.display())]
    Request {
        /// Its socket.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The running program said that it cannot answer.
    #[error("the running program does not answer by {}: {reason}", path.display())]
    Refused {
        /// Its socket.
        path: PathBuf,
        /// Its words.
        reason: String,
    },
}

impl ControlError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Request { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(platform::DENIED_HINT.to_owned())
            }
            Self::Bind { path, source } if source.kind() == io::ErrorKind::AlreadyExists => {
                platform::taken_hint(path)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
