//! Ctrl-C, Ctrl-Break, a console that is closed, the end of the session, and the service manager.

use std::{fmt, io, sync::LazyLock};

use tokio::sync::watch;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};

/// A control event that asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// Ctrl-C or Ctrl-Break.
    Interrupt,
    /// The console's window was closed: Windows ends the process 5 seconds later.
    Close,
    /// Windows shuts down. That a user logs off is told to services alone, which it is nothing to; the console of one
    /// who does is closed.
    Shutdown,
    /// The service manager wants it.
    Service,
}

impl StopSignal {
    /// Whether what was done to the machine may stay for whoever goes on: never.
    #[must_use]
    pub fn is_hand_over(self) -> bool {
        false
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "Ctrl-C",
            Self::Close => "the window is closed",
            Self::Shutdown => "the session ends",
            Self::Service => "the service manager",
        })
    }
}

/// Listens for them. From the moment it is made none of them ends the process by itself, so it is made before
/// anything is changed that would have to be undone.
#[derive(Debug)]
pub struct StopSignals {
    ctrl_c: CtrlC,
    ctrl_break: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
    own: watch::Receiver<bool>,
}

/// Whether this process has been asked to stop by [`request_own_stop`].
static OWN: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// Asks this process to end, from any of its threads: for who learns it in another way, as a service does. It is not
/// lost if it comes before anybody listens.
pub fn request_own_stop() {
    OWN.send_replace(true);
}

impl StopSignals {
    /// Begins to listen, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When Windows takes no handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            ctrl_c: ctrl_c()?,
            ctrl_break: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
            own: OWN.subscribe(),
        })
    }

    /// Waits for the next one. One that came before the call is not lost.
    pub async fn requested(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.ctrl_c.recv() => StopSignal::Interrupt,
            _ = self.ctrl_break.recv() => StopSignal::Interrupt,
            _ = self.close.recv() => StopSignal::Close,
            _ = self.shutdown.recv() => StopSignal::Shutdown,
            _ = self.own.wait_for(|is_requested| *is_requested) => StopSignal::Service,
        }
    }
}

/// Windows has no signal for another process: one that cannot be asked by its pipe is ended by its user.
///
/// # Errors
///
/// Always.
pub fn request_stop(_pid: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "it does not answer: end it in the Task Manager"))
}
