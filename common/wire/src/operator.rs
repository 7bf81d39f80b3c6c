//! Whoever operates a running program: by signals, or over the control socket.

use crate::{Folders, Locks, OrFail};
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use v6tun_host::control_socket::ControlSocket;
use v6tun_host::signal::StopSignals;

/// Requests that wait to be looked at: as many as the control socket serves connections.
const REQUESTS: usize = 16;

/// What the running program is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Tell the figures.
    Status,
    /// Stop, restore the host, and answer only then.
    Down,
}

/// What it answers; `S` is its status.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response<S> {
    /// To [`Request::Status`].
    Status(S),
    /// To [`Request::Down`]: the host is as it was found.
    Down,
    /// The program is ending already.
    Ending,
    /// The request could not be done, and why.
    Failed(String),
}

type Reply<S> = oneshot::Sender<Response<S>>;

/// What the operator wants.
#[derive(Debug)]
pub enum Wish<S> {
    /// The end; a `down` is answered once the host is restored.
    Stop,
    /// The figures.
    Status(Reply<S>),
}

/// Signals and control socket.
#[derive(Debug)]
pub struct Operator<S> {
    signals: StopSignals,
    requests: mpsc::Receiver<(Request, Reply<S>)>,
    /// Each a `down` that waits for the host's restoration.
    waiting: Vec<Reply<S>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl<S: Serialize + DeserializeOwned + Send + 'static> Operator<S> {
    /// Begins to listen to signals and at the control socket. Comes before the first change to the host, so that
    /// an early signal leaves none behind.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn listen(folders: &Folders, locks: &Locks) -> Result<Self> {
        let signals = StopSignals::listen().context("cannot listen for signals")?;
        let control = ControlSocket::bind(&folders.control_socket, &locks.runtime).or_failed()?;
        let (ask, requests) = mpsc::channel(REQUESTS);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // An operator that was dropped without an end ends it as well.
            let _ended = stopped.await;
        };
        let server = tokio::spawn(control.serve(stopped, move |request| hand_over(ask.clone(), request)));
        Ok(Self { signals, requests, waiting: Vec::new(), stop, server })
    }

    /// The next wish. One that comes between two calls is not lost.
    pub async fn next(&mut self) -> Wish<S> {
        tokio::select! {
            signal = self.signals.requested() => {
                info!("{signal}");
                Wish::Stop
            }
            Some((request, reply)) = self.requests.recv() => match request {
                Request::Status => Wish::Status(reply),
                Request::Down => {
                    self.waiting.push(reply);
                    Wish::Stop
                }
            },
        }
    }

    /// Tells all that wait how it ended, those too that asked meanwhile, and closes the control socket.
    pub(crate) async fn answer(mut self, restored: &Result<()>) {
        self.requests.close();
        while let Some((request, reply)) = self.requests.recv().await {
            if request == Request::Down {
                self.waiting.push(reply);
            }
        }
        for reply in self.waiting {
            let response = match restored {
                Ok(()) => Response::Down,
                Err(error) => Response::Failed(format!("{error:#}")),
            };
            // Whoever asked may have gone: then nobody misses the answer.
            let _unasked = reply.send(response);
        }
        let _ended = self.stop.send(());
        if let Err(error) = self.server.await {
            warn!("the control socket failed: {error}");
        }
    }
}

async fn hand_over<S>(ask: mpsc::Sender<(Request, Reply<S>)>, request: Request) -> Response<S> {
    let (reply, answer) = oneshot::channel();
    if ask.send((request, reply)).await.is_err() {
        return Response::Ending;
    }
    answer.await.unwrap_or(Response::Ending)
}
