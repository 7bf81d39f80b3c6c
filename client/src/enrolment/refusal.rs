//! Why a PC was not enrolled, as it is told: what, why, and what to do about it.

use std::{net::SocketAddr, time::Duration};

use anyhow::anyhow;
use v6tun_cli::{Failure, humanize};
use v6tun_proto::EnrolRefusal;

use crate::ROLE;

/// What to do where the invitation is at fault.
const ASK_FOR_ANOTHER: &str = "ask the server's owner for another: `v6tun-server invite NAME` makes one";

/// The server said no.
pub(super) fn refused(reason: EnrolRefusal) -> Failure {
    let hint = match reason {
        EnrolRefusal::AlreadyUsed | EnrolRefusal::Expired | EnrolRefusal::Withdrawn => {
            ASK_FOR_ANOTHER.to_owned()
        }
        EnrolRefusal::PoolFull => {
            "ask the server's owner to add to [pool], or `v6tun-server client revoke` one that is not used"
                .to_owned()
        }
        EnrolRefusal::KeyRefused => format!(
            "{} connects a PC that is a client already; else {} removes its key, and the next `up` with an \
             invitation makes another",
            ROLE.command("up"),
            ROLE.command("forget")
        ),
        EnrolRefusal::NotSaved => {
            "the server's disk may be full, its log says why; the invitation stays good".to_owned()
        }
        EnrolRefusal::Other(_) => "the server may be newer than this client; its log says why".to_owned(),
    };
    let why = match reason {
        EnrolRefusal::AlreadyUsed => ", by another PC or another key of this one",
        EnrolRefusal::Expired => ", by the server's clock",
        EnrolRefusal::Withdrawn => ", by the server's owner",
        EnrolRefusal::KeyRefused => ", which it knows as another's",
        _ => "",
    };
    Failure::failed(format!("not enrolled: {reason}{why}")).with_hint(hint)
}

/// Who answers knows the invitation's public half, and not its preshared key.
pub(super) fn forged(endpoint: SocketAddr) -> Failure {
    let what =
        format!("not enrolled: {endpoint} answers, but its keys do not fit the invitation's: it is forged");
    Failure::failed(what).with_hint(ASK_FOR_ANOTHER)
}

/// Nobody answered within that time, and the user named no other.
pub(super) fn gave_up(after: Duration) -> Failure {
    Failure::failed(format!("not enrolled within {} seconds", after.as_secs()))
}

/// Nobody answered in time, or not the question.
pub(super) fn silence(
    failure: Failure,
    endpoint: SocketAddr,
    is_answered: bool,
    expired_for: Option<Duration>,
) -> anyhow::Error {
    let (why, hint) = if is_answered {
        let hint = "the server may be busy or its disk may hang, its log says why; the invitation stays good";
        (format!("{endpoint} takes the invitation, and says neither yes nor no"), hint.to_owned())
    } else {
        let hint = format!("ask the server's owner whether it runs{}", clock_note(expired_for));
        (format!("no answer from {endpoint}"), hint)
    };
    anyhow!(why).context(failure.with_hint(hint))
}

/// Why a server may be silent to an invitation whose checksum is right.
pub(super) fn likely_causes(expired_for: Option<Duration>) -> String {
    format!(
        "UDP is blocked on the way, or the server is down, or it has moved to another address since it made the invitation, or the invitation is another server's, forged, or too old to be remembered{}",
        clock_note(expired_for)
    )
}

fn clock_note(expired_for: Option<Duration>) -> String {
    match expired_for {
        Some(past) => format!("; by this PC's clock the invitation expired {}", humanize::ago(past)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_and_why_and_what_to_do() {
        for (code, why, what_to_do) in [
            (1, "already used", "v6tun-server invite NAME"),
            (2, "expired, by the server's clock", "v6tun-server invite NAME"),
            (3, "withdrawn, by the server's owner", "v6tun-server invite NAME"),
            (4, "no address left", "[pool]"),
            (5, "refuses this key", "v6tun-client forget"),
            (6, "cannot write", "its log says why"),
            (77, "reason 77", "newer"),
        ] {
            let failure = refused(EnrolRefusal::from(code));
            assert!(failure.to_string().starts_with("not enrolled: ") && failure.exit_code() == 1);
            assert!(failure.to_string().contains(why), "{failure}");
            assert!(failure.hint().unwrap().contains(what_to_do), "{failure:?}");
        }
    }

    #[test]
    fn this_pcs_clock_is_mentioned_only_where_it_says_expired() {
        assert!(!likely_causes(None).contains("clock"));
        let causes = likely_causes(Some(Duration::from_secs(86_400)));
        assert!(causes.ends_with("by this PC's clock the invitation expired 1 day ago"), "{causes}");
    }
}
