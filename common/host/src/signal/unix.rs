//! SIGINT, SIGTERM, SIGHUP and SIGUSR1.

use std::{fmt, io};

use rustix::process::{Pid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, as by Ctrl-C.
    Interrupt,
    /// SIGTERM, as by `systemctl stop`.
    Terminate,
    /// SIGHUP, as by a terminal that was closed.
    HangUp,
    /// SIGUSR1, as by `systemctl restart`: another process goes on at once.
    HandOver,
}

impl StopSignal {
    /// Whether what was done to the machine may stay for whoever goes on.
    #[must_use]
    pub fn is_hand_over(self) -> bool {
        self == Self::HandOver
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::HandOver => "SIGUSR1",
        })
    }
}

/// Listens for them. From the moment it is made none of them ends the process by itself, so it is made before
/// anything is changed that would have to be undone.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    hand_over: Signal,
}

impl StopSignals {
    /// Begins to listen, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the kernel has no descriptor left for it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            hand_over: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next one. One that came before the call is not lost.
    pub async fn requested(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.hang_up.recv() => StopSignal::HangUp,
            _ = self.hand_over.recv() => StopSignal::HandOver,
        }
    }
}

/// Asks another process of this same program to end, by SIGTERM.
///
/// # Errors
///
/// When it has ended, is of another program, or may not be signalled.
pub fn request_stop(pid: u32) -> io::Result<()> {
    let name_of = |process: &str| std::fs::read_to_string(format!("/proc/{process}/comm"));
    if name_of(&pid.to_string())? != name_of("self")? {
        return Err(io::Error::other("it is another program"));
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, rustix::process::Signal::TERM)?)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid};

    use super::*;

    #[tokio::test]
    async fn a_signal_between_two_looks_is_not_lost() {
        let mut signals = StopSignals::listen().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        assert_eq!(signals.requested().await, StopSignal::HangUp);
    }

    #[test]
    fn a_process_of_another_program_is_not_signalled() {
        let refused = request_stop(1).unwrap_err();
        assert!(refused.to_string().contains("another program"), "{refused}");
    }
}
