//! The control socket's side of the server: requests that wait for the main loop, and their answers.

use crate::status::Status;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use v6tun_cli::hinted;
use v6tun_host::control_socket::{ControlError, ControlSocket};
use v6tun_host::instance_lock::InstanceLock;

/// Requests that wait for the main loop at most; the socket itself serves sixteen at once.
const REQUEST_QUEUE: usize = 16;

/// What the server is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ControlRequest {
    /// Tell the figures.
    Status,
    /// Stop, restore the host, and answer only then.
    Down,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ControlResponse {
    /// To [`ControlRequest::Status`].
    Status(Status),
    /// To [`ControlRequest::Down`]: the host is as it was found.
    Down,
    /// The request could not be done, and why.
    Failed(String),
}

/// A request, and who waits for its answer.
pub(crate) type Asked = (ControlRequest, oneshot::Sender<ControlResponse>);

/// The open socket. Connections are served by a task; what they ask comes out of [`Control::next`].
pub(crate) struct Control {
    requests: mpsc::Receiver<Asked>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens the socket; the lock proves that nobody else serves there.
    pub(crate) fn open(path: &Path, lock: &InstanceLock) -> Result<Self> {
        let socket = ControlSocket::bind(path, lock).map_err(hinted(ControlError::hint))?;
        let (sender, requests) = mpsc::channel::<Asked>(REQUEST_QUEUE);
        let (stop, stopped) = oneshot::channel::<()>();
        let handler = move |request: ControlRequest| ask(sender.clone(), request);
        let task = tokio::spawn(async move {
            // A dropped sender is a stop, too.
            socket.serve(async { drop(stopped.await) }, handler).await;
        });
        Ok(Self { requests, stop, task })
    }

    /// The next request. Waits for ever while nobody asks.
    pub(crate) async fn next(&mut self) -> Asked {
        match self.requests.recv().await {
            Some(asked) => asked,
            // The serving task has ended: nobody can ask any more.
            None => std::future::pending().await,
        }
    }

    /// Lets the open connections finish, and removes the socket.
    pub(crate) async fn close(self) -> Result<()> {
        drop(self.requests);
        drop(self.stop);
        self.task.await.context("the control socket's task")
    }
}

async fn ask(main_loop: mpsc::Sender<Asked>, request: ControlRequest) -> ControlResponse {
    let (answer, response) = oneshot::channel();
    if main_loop.send((request, answer)).await.is_err() {
        return ControlResponse::Failed("the server is stopping".to_owned());
    }
    response
        .await
        .unwrap_or_else(|_| ControlResponse::Failed("the server stopped before it answered".to_owned()))
}
