//! How long a packet takes to the server and back: over IPv4 as it is, and through the tunnel.

use std::time::Duration;

use v6tun_cli::doctor::Finding;
use v6tun_host::echo::echo;

use super::patient::Patient;

/// Most servers answer within a tenth of it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest packet of `ping`.
const SIZE: usize = 84;

pub(super) fn check(patient: &Patient<'_>) -> Finding {
    let Ok(status) = &patient.status else { return Finding::skip("the client does not run") };
    let Some(through) = status.server.rtt_ms else {
        return Finding::skip("nothing has been through the tunnel and back yet");
    };
    let server = status.server.endpoint.ip();
    match echo(server, SIZE, PATIENCE) {
        Ok(Some(plain)) => Finding::pass(format!(
            "{through:.1} ms through the tunnel, {:.1} ms to {server} without it",
            plain.as_secs_f64() * 1e3
        )),
        Ok(None) => {
            Finding::pass(format!("{through:.1} ms through the tunnel; {server} does not answer pings"))
        }
        Err(error) => {
            Finding::pass(format!("{through:.1} ms through the tunnel; no ping without it: {error}"))
        }
    }
}
