//! The way to the server: found at the start by its name, or where the server was last.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, anyhow};
use tokio::{
    task::{JoinError, JoinSet},
    time::sleep,
};
use tracing::info;
use v6tun_wire::Operator;

use crate::{
    config::Config, endpoint::Endpoint, interruption::unless_stopped, patience::Patience, spoken,
    status::Status,
};

/// So long a name service may take before the server is tried where it was last. A working one answers within this.
const LOOKUP_HEAD_START: Duration = Duration::from_secs(2);

/// The way to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Where the server is.
    pub(super) endpoint: SocketAddr,
    /// The largest inner packet that fits, in bytes.
    pub(super) mtu_ceiling: u16,
}

/// Looks the server's name up, one look-up at a time.
#[derive(Debug, Default)]
pub(super) struct Lookup(JoinSet<Result<SocketAddr>>);

impl Lookup {
    /// Begins one, unless one is under way: for the address to use, or the next one where `silent` does not answer.
    pub(super) fn start(&mut self, endpoint: &Endpoint, silent: Option<SocketAddr>) {
        if self.0.is_empty() {
            let endpoint = endpoint.clone();
            self.0.spawn(async move { endpoint.next_after(silent).await });
        }
    }

    /// The outcome of the one under way; `None` where there is none. One that comes between two calls is not lost.
    pub(super) async fn next(&mut self) -> Option<Result<SocketAddr>> {
        let joined = self.0.join_next().await?;
        Some(joined.map_err(|error: JoinError| anyhow!(error)).flatten())
    }
}

/// Where to find the server; `None` if the operator wanted the end before that was known. `last` is where it was
/// last: tried if the name service says nothing, while the look-up goes on.
pub(super) async fn find(
    config: &Config,
    last: Option<SocketAddr>,
    lookup: &mut Lookup,
    operator: &mut Operator<Status>,
    patience: Patience,
) -> Result<Option<SocketAddr>> {
    let endpoint = &config.endpoint;
    lookup.start(endpoint, None);
    let doing = format!("looking up {endpoint}");
    let found = async {
        tokio::select! {
            found = first_found(last, lookup, LOOKUP_HEAD_START) => found,
            () = patience.over() => Err(anyhow!("still {doing}").context(patience.failure())),
        }
    };
    unless_stopped(operator, &doing, found).await.transpose()
}

async fn first_found(
    last: Option<SocketAddr>,
    lookup: &mut Lookup,
    head_start: Duration,
) -> Result<SocketAddr> {
    let Some(last) = last else {
        return lookup.next().await.unwrap_or_else(|| Err(anyhow!("no look-up is under way")));
    };
    tokio::select! {
        found = lookup.next() => match found {
            Some(Err(error)) => info!("{error:#}"),
            Some(found) => return found,
            None => {}
        },
        () = sleep(head_start) => {}
    }
    spoken::say(&spoken::not_found_yet(last));
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head start that is never over.
    const PATIENT: Duration = Duration::from_secs(3600);

    fn last() -> SocketAddr {
        "203.0.113.233:51820".parse().unwrap()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(future)
    }

    /// As if the name service had given this answer.
    fn answered(answer: Result<SocketAddr>) -> Lookup {
        let mut lookup = Lookup::default();
        lookup.0.spawn(async move { answer });
        lookup
    }

    #[test]
    fn a_name_that_is_found_is_believed_before_the_last_endpoint() {
        let now: SocketAddr = "198.51.100.7:51820".parse().unwrap();
        run(async {
            for last in [Some(last()), None] {
                assert_eq!(first_found(last, &mut answered(Ok(now)), PATIENT).await.unwrap(), now);
            }
        });
    }

    #[test]
    fn a_name_that_is_not_found_leaves_the_last_endpoint_or_an_error() {
        run(async {
            let failed = || answered(Err(anyhow!("no such name")));
            assert_eq!(first_found(Some(last()), &mut failed(), PATIENT).await.unwrap(), last());
            let error = first_found(None, &mut failed(), PATIENT).await.unwrap_err();
            assert_eq!(error.to_string(), "no such name");
        });
    }

    #[test]
    fn a_look_up_goes_on_while_the_last_endpoint_is_tried() {
        run(async {
            let mut lookup = Lookup::default();
            lookup.0.spawn(std::future::pending());
            assert_eq!(first_found(Some(last()), &mut lookup, Duration::ZERO).await.unwrap(), last());
            assert!(!lookup.0.is_empty());
        });
    }
}
