//! Whether the server answers.

use v6tun_cli::{doctor::Finding, humanize};
use v6tun_wire::since_unix_seconds;

use super::patient::Patient;
use crate::status::State;

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    let Ok(status) = &patient.status else {
        return match patient.is_known {
            Some(true) => Finding::pass("it answers a handshake; the client does not run"),
            Some(false) => {
                Finding::fail("it does not answer a handshake").expected(EXPECTED).mend(ON_THE_VPS)
            }
            None => Finding::skip("the client does not run, and no server is known"),
        };
    };
    let endpoint = status.server.endpoint;
    let last = status.server.latest_handshake.and_then(since_unix_seconds).map(humanize::ago);
    let silent = |seen: String| Finding::fail(seen).expected(EXPECTED).mend(ON_THE_VPS);
    match (status.state, last) {
        (State::Up | State::Leasing, Some(ago)) => {
            Finding::pass(format!("{endpoint} answers, the last handshake was {ago}"))
        }
        (_, Some(ago)) => silent(format!("{endpoint} no longer answers; the last handshake was {ago}")),
        (_, None) => silent(format!("{endpoint} has never answered")),
    }
}

const EXPECTED: &str =
    "an answer; else the server does not run, does not know this PC's key, or a firewall drops its UDP port";
const ON_THE_VPS: &str = "v6tun-server doctor   # on the VPS";
