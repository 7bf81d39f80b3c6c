//! The PC's sleep: who waits is told when it is over.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::sync::LazyLock;

use tokio::sync::watch;

#[cfg(unix)]
use unix::Registration;
#[cfg(windows)]
use windows::Registration;

/// Everybody who listens in this process.
static RESUMED: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::channel(()).0);

/// Tells that the PC has woken up.
#[derive(Debug)]
pub struct PowerWatch {
    resumed: watch::Receiver<()>,
    _registration: Registration,
}

impl PowerWatch {
    /// Begins to listen. Where the system does not tell, [`report_resumed`] alone does.
    #[must_use]
    pub fn open() -> Self {
        Self { resumed: RESUMED.subscribe(), _registration: Registration::new() }
    }

    /// Returns when the PC has woken up since the last call returned, or since this was opened. If it is dropped
    /// before, nothing is lost.
    pub async fn resumed(&mut self) {
        if self.resumed.changed().await.is_err() {
            // The sender is never dropped.
            std::future::pending().await
        }
    }
}

/// Tells all of this process who listen that the PC has woken up: for who learns it in another way, as a service does.
/// May be called on any thread.
pub fn report_resumed() {
    RESUMED.send_replace(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_told_once_of_what_came_since() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut one, mut other) = (PowerWatch::open(), PowerWatch::open());
            report_resumed();
            report_resumed();
            one.resumed().await;
            other.resumed().await;
            let again = std::future::poll_fn(|context| {
                let again = std::pin::pin!(one.resumed()).poll(context);
                std::task::Poll::Ready(again.is_ready())
            });
            assert!(!again.await, "nothing has come since");
            std::thread::spawn(report_resumed).join().unwrap();
            one.resumed().await;
            other.resumed().await;
        });
    }
}
