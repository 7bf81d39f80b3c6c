//! Asking the link whether somebody else has an address, before it is lent and for two seconds after.
//!
//! Many are asked about at one time, as when a server that was started anew has all its clients back at once.

use std::collections::HashSet;
use std::io;
use std::net::Ipv6Addr;
use tokio::task::JoinSet;
use tracing::warn;
use v6tun_host::neighbour_discovery::{Conflict, NeighbourProbe};

/// What came out.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nobody has answered: it can be lent, and the probe goes on listening.
    Free(Ipv6Addr, Option<NeighbourProbe>),
    /// Somebody has it, who answered before it was lent.
    Taken(Ipv6Addr, Conflict),
    /// Nobody needs the answer, whatever it was: another address can be asked about.
    Unwanted,
    /// Somebody has it, who answered after that.
    TakenLate(Ipv6Addr, Conflict),
}

/// Addresses that are asked about at one time. Each has a socket for 2.2 s, a fifth of a second of it here: with eleven
/// times as many that go on listening, 704 of the 1024 descriptors that a process has.
const MAX_ASKING: usize = 64;

/// The probes under way.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    tasks: JoinSet<Option<Finding>>,
    asking: HashSet<Ipv6Addr>,
    /// Those of them that nobody needs yet.
    in_advance: HashSet<Ipv6Addr>,
}

impl Probes {
    /// Whether no other address can be asked about now.
    pub(crate) fn is_full(&self) -> bool {
        self.asking.len() >= MAX_ASKING
    }

    /// Whether that address is being asked about already. The finding is wanted from now on.
    pub(crate) fn is_asked_for(&mut self, address: Ipv6Addr) -> bool {
        self.in_advance.remove(&address);
        self.asking.contains(&address)
    }

    /// As [`ask`](Self::ask), for somebody who may need it soon. What is found before he does is forgotten.
    pub(crate) fn ask_in_advance(&mut self, address: Ipv6Addr, probe: NeighbourProbe) {
        if !self.asking.contains(&address) {
            self.in_advance.insert(address);
            self.ask(address, probe);
        }
    }

    /// Waits for the first answer. What keeps the question from being asked is told, and keeps nobody from the lease.
    pub(crate) fn ask(&mut self, address: Ipv6Addr, mut probe: NeighbourProbe) {
        self.asking.insert(address);
        self.tasks.spawn(async move {
            let answer = said(address, probe.first_answer().await);
            Some(match answer {
                Some(conflict) => Finding::Taken(address, conflict),
                None => Finding::Free(address, Some(probe)),
            })
        });
    }

    /// Goes on listening.
    pub(crate) fn listen(&mut self, address: Ipv6Addr, mut probe: NeighbourProbe) {
        self.tasks.spawn(async move {
            let answer = said(address, probe.late_answer().await);
            answer.map(|conflict| Finding::TakenLate(address, conflict))
        });
    }

    /// The next finding; never, while nothing is under way.
    pub(crate) async fn next(&mut self) -> Finding {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Some(finding))) => {
                    if let Finding::Free(address, _) | Finding::Taken(address, _) = &finding {
                        self.asking.remove(address);
                        if self.in_advance.remove(address) {
                            return Finding::Unwanted;
                        }
                    }
                    return finding;
                }
                Some(Ok(None)) => {}
                Some(Err(error)) => {
                    warn!("a duplicate probe failed: {error}");
                    // Whose it was is not known: who needs it asks again.
                    self.asking.clear();
                    self.in_advance.clear();
                }
                None => std::future::pending().await,
            }
        }
    }
}

fn said(address: Ipv6Addr, answer: io::Result<Option<Conflict>>) -> Option<Conflict> {
    answer.unwrap_or_else(|error| {
        warn!(%address, "cannot tell whether somebody else on the link has it: {error}");
        None
    })
}
