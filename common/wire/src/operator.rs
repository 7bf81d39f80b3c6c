//! Whoever operates a running program: by signals, or over the control socket.

use crate::{Folders, Locks, OrFail};
use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use v6tun_cli::Failure;
use v6tun_host::control_socket::ControlSocket;
use v6tun_host::signal::StopSignals;

/// Requests that wait to be looked at: as many as the control socket serves connections.
const REQUESTS: usize = 16;

/// A program's status, and what the program can be ordered to do while it runs.
pub trait Operated: Serialize + DeserializeOwned + Send + 'static {
    /// An order beyond `status` and `down`.
    type Order: Serialize + DeserializeOwned + Send + 'static;
    /// What the program answers to one.
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

/// What the running program is asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Request<O> {
    /// Tell the figures.
    Status,
    /// Stop, restore the host, and answer only then.
    Down,
    /// Do that.
    Order(O),
}

/// What it answers; `S` is its status, `A` its answer to an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response<S, A> {
    /// To [`Request::Status`].
    Status(S),
    /// To [`Request::Order`].
    Answer(A),
    /// To [`Request::Order`]: it was not done, and what to tell the user.
    Refused(Failure),
    /// To [`Request::Down`]: the host is as it was found.
    Down,
    /// The program is ending already.
    Ending,
    /// The request could not be done, and why.
    Failed(String),
}

/// Where the answer to a request goes.
pub type Reply<S> = oneshot::Sender<Response<S, <S as Operated>::Answer>>;

type Asked<S> = (Request<<S as Operated>::Order>, Reply<S>);

/// What the operator wants.
pub enum Wish<S: Operated> {
    /// The end; a `down` is answered once the host is restored.
    Stop,
    /// The figures.
    Status(Reply<S>),
    /// An order to be carried out.
    Order(S::Order, Reply<S>),
}

/// Signals and control socket.
pub struct Operator<S: Operated> {
    signals: StopSignals,
    requests: mpsc::Receiver<Asked<S>>,
    /// Each a `down` that waits for the host's restoration.
    waiting: Vec<Reply<S>>,
    hands_over: bool,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl<S: Operated> Operator<S> {
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
        let server =
            tokio::spawn(control.serve(stopped, move |request| hand_over::<S>(ask.clone(), request)));
        Ok(Self { signals, requests, waiting: Vec::new(), hands_over: false, stop, server })
    }

    /// The next wish. One that comes between two calls is not lost.
    pub async fn next(&mut self) -> Wish<S> {
        tokio::select! {
            signal = self.signals.requested() => {
                info!("{signal}");
                self.hands_over = signal.is_hand_over();
                Wish::Stop
            }
            Some((request, reply)) = self.requests.recv() => match request {
                Request::Status => Wish::Status(reply),
                Request::Down => {
                    self.waiting.push(reply);
                    Wish::Stop
                }
                Request::Order(order) => Wish::Order(order, reply),
            },
        }
    }

    /// Whether another process is to go on, where the end is [wanted](Wish::Stop). Who cannot hand over restores the host.
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.hands_over
    }

    /// Tells all that wait how it ended, those too that asked meanwhile, and closes the control socket. `None`: the host
    /// was left to another process, and whoever wants it restored sees to it.
    pub(crate) async fn answer(mut self, restored: Option<&Result<()>>) {
        self.requests.close();
        while let Some((request, reply)) = self.requests.recv().await {
            if matches!(request, Request::Down) {
                self.waiting.push(reply);
            }
        }
        for reply in self.waiting {
            let response = match restored {
                None => Response::Ending,
                Some(Ok(())) => Response::Down,
                Some(Err(error)) => Response::Failed(format!("{error:#}")),
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

async fn hand_over<S: Operated>(
    ask: mpsc::Sender<Asked<S>>,
    request: Request<S::Order>,
) -> Response<S, S::Answer> {
    let (reply, answer) = oneshot::channel();
    if ask.send((request, reply)).await.is_err() {
        return Response::Ending;
    }
    answer.await.unwrap_or(Response::Ending)
}
