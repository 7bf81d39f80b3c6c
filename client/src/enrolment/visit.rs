//! Two errands to the server: to enrol with an invitation, and to knock with this PC's own key.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use tokio::time::{sleep, timeout};
use tracing::debug;
use v6tun_keys::{Invitation, PresharedKey, PublicKey};
use v6tun_proto::{ClientEvent, Purpose};

use super::{
    exchange::{Exchange, Parties},
    host_name::host_name,
    refusal,
};
use crate::{config::Config, patience::Patience, spoken};

/// How long a server that says nothing is tried. Who runs `up INVITE` sits in front of it.
const TRY_FOR: Duration = Duration::from_secs(30);
/// How long it may take until a server that knows us has answered: a handshake that is lost twice comes through.
const KNOCK_FOR: Duration = Duration::from_secs(2);

/// What the server gives a new client.
pub(super) struct Membership {
    /// What this PC's handshakes are to be made with.
    pub(super) preshared_key: PresharedKey,
    /// This PC's name at the server.
    pub(super) name: String,
}

/// Whether the server knows this PC's key, and answers.
pub(crate) async fn is_known(config: &Config) -> bool {
    timeout(KNOCK_FOR, knock(config)).await.is_ok_and(|knocked| match knocked {
        Ok(()) => true,
        Err(error) => {
            debug!("{error:#}");
            false
        }
    })
}

/// Returns when a handshake was answered.
async fn knock(config: &Config) -> Result<()> {
    let parties = Parties {
        private_key: config.private_key.clone(),
        preshared_key: config.preshared_key.clone(),
        server: config.server,
        endpoint: config.endpoint.resolve().await?,
    };
    let mut exchange = Exchange::open(parties, Purpose::Knock).await?;
    while !matches!(exchange.next_event().await, ClientEvent::Answered) {}
    Ok(())
}

/// Asks the server to make `own_key` a client's.
///
/// # Errors
/// Why it does not, or that nobody answered in time.
pub(super) async fn enrol(
    invitation: &Invitation,
    own_key: PublicKey,
    endpoint: SocketAddr,
    patience: Patience,
) -> Result<Membership> {
    let identity = invitation.identity();
    let parties = Parties {
        private_key: identity.private_key,
        preshared_key: Some(identity.preshared_key),
        server: invitation.server,
        endpoint,
    };
    let purpose = Purpose::Enrol { public_key: own_key, name: host_name() };
    let mut exchange = Exchange::open(parties, purpose).await?;
    let mut visit = Visit { exchange: &mut exchange, endpoint, expired_for: expired_for(invitation) };
    let silence = tokio::select! {
        answer = visit.answer() => return answer,
        () = patience.over() => patience.failure(),
        () = sleep(TRY_FOR), if patience.until().is_none() => refusal::gave_up(TRY_FOR),
    };
    Err(refusal::silence(silence, endpoint, exchange.is_answered(), expired_for(invitation)))
}

struct Visit<'a> {
    exchange: &'a mut Exchange,
    endpoint: SocketAddr,
    expired_for: Option<Duration>,
}

impl Visit<'_> {
    /// What the server answers; it may never do so.
    async fn answer(&mut self) -> Result<Membership> {
        loop {
            match self.exchange.next_event().await {
                ClientEvent::Enrolled { preshared_key, name } => {
                    return Ok(Membership { preshared_key, name });
                }
                ClientEvent::EnrolRefused { reason } => return Err(refusal::refused(reason).into()),
                ClientEvent::NoAnswer { is_refused: true, .. } => {
                    return Err(refusal::forged(self.endpoint).into());
                }
                ClientEvent::NoAnswer { after, .. } => self.complain(after),
                event => debug!(?event, "while enrolling"),
            }
        }
    }

    fn complain(&self, after: Duration) {
        match self.exchange.send_error() {
            Some(error) => spoken::complain(
                &format!("cannot send to {}: {error}; trying on", self.endpoint),
                &spoken::no_route_hint(self.endpoint),
            ),
            None => {
                let hint = refusal::likely_causes(self.expired_for);
                spoken::complain(&spoken::no_answer(self.endpoint, after), &hint);
            }
        }
    }
}

/// How long the invitation is over by this PC's clock. The server alone judges that, by its own.
fn expired_for(invitation: &Invitation) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(Duration::from_secs(invitation.expires)).filter(|past| !past.is_zero())
}
