//! How long the user waits for a connection: `--wait SECONDS`.

use tokio::time::{Duration, Instant, sleep_until};
use v6tun_cli::Failure;

/// The end of the waiting, if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// As it was typed; `None`: for ever.
    seconds: Option<u32>,
    start: Instant,
}

impl Patience {
    /// Begins to wait.
    pub(crate) fn start(seconds: Option<u32>) -> Self {
        Self { seconds, start: Instant::now() }
    }

    /// When it ends.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.seconds.map(|seconds| self.start + Duration::from_secs(seconds.into()))
    }

    /// Returns when the time is over: without `--wait` never.
    pub(crate) async fn over(&self) {
        match self.until() {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// What is said when it is over.
    pub(crate) fn failure(&self) -> Failure {
        let what = match self.seconds {
            Some(1) => "not connected within 1 second".to_owned(),
            Some(seconds) => format!("not connected within {seconds} seconds"),
            None => "not connected".to_owned(),
        };
        Failure::not_connected(what)
            .with_hint("without --wait it is tried on, and likely causes are named after 3 s")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn it_ends_after_the_seconds_that_were_typed_and_else_never() {
        let start = Instant::now();
        assert_eq!(Patience { seconds: Some(86_400), start }.until(), Some(start + DAY));
        assert_eq!(Patience::start(None).until(), None);
        run(async {
            let past = Patience { seconds: Some(0), start };
            past.over().await;
            assert!(timeout(Duration::ZERO, Patience::start(None).over()).await.is_err());
        });
    }

    #[test]
    fn its_end_has_an_exit_status_of_its_own() {
        let failure = Patience::start(Some(30)).failure();
        assert_eq!(failure.to_string(), "not connected within 30 seconds");
        assert_eq!(failure.exit_code(), v6tun_cli::exit_code::NOT_CONNECTED);
    }
}
