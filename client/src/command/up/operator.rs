//! Whoever operates the client: by signals, or over the control socket.

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tracing::{info, warn};
use v6tun_host::{control_socket::ControlSocket, signal::StopSignals};

use crate::command::{Request, Response};

/// Requests that wait to be looked at: as many as the control socket serves connections.
const REQUESTS: usize = 16;

type Asked = (Request, oneshot::Sender<Response>);

/// What the operator wants.
#[derive(Debug)]
pub(super) enum Wish {
    /// The end; `down` is answered once this PC is restored.
    Stop,
    /// The figures.
    Status(oneshot::Sender<Response>),
}

/// Signals and control socket.
#[derive(Debug)]
pub(super) struct Operator {
    signals: StopSignals,
    requests: mpsc::Receiver<Asked>,
    /// Each a `down` that waits for this PC's restoration.
    waiting: Vec<oneshot::Sender<Response>>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Operator {
    /// Begins to serve the control socket.
    pub(super) fn new(signals: StopSignals, control: ControlSocket) -> Self {
        let (ask, requests) = mpsc::channel(REQUESTS);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // An operator that was dropped without an end ends it as well.
            let _ended = stopped.await;
        };
        let server = tokio::spawn(control.serve(stopped, move |request| hand_over(ask.clone(), request)));
        Self { signals, requests, waiting: Vec::new(), stop, server }
    }

    /// The next wish. One that comes between two calls is not lost.
    pub(super) async fn next(&mut self) -> Wish {
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
    pub(super) async fn answer(mut self, restored: &anyhow::Result<()>) {
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

async fn hand_over(ask: mpsc::Sender<Asked>, request: Request) -> Response {
    let (reply, answer) = oneshot::channel();
    let ending = || Response::Failed("it is ending".to_owned());
    if ask.send((request, reply)).await.is_err() {
        return ending();
    }
    answer.await.unwrap_or_else(|_| ending())
}
