//! Whether the provider's router finds a client's address at this host: it is made to look for it.
//!
//! | it asks | this host answers | its packet comes | so |
//! | --- | --- | --- | --- |
//! | – | – | yes | the address is known to it, or routed here |
//! | yes | yes | yes | on-link, as it must be |
//! | yes | no | no | the kernel does not answer |
//! | yes | yes | no | it does not take the answer |
//! | no | – | no | filtered, if it answers this host's own address |

use super::patient::Patient;
use crate::host_shape::INTERNET_IPV6;
use std::net::Ipv6Addr;
use v6tun_cli::doctor::Finding;
use v6tun_host::neighbour_discovery::{Heard, ask_router};
use v6tun_wire::doctor::cannot_tell;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let Some(address) = running.leased().map(|client| client.address).next() else {
        return Finding::skip("no client has its address yet");
    };
    let link = &running.uplink.link;
    let heard = match ask_router(link, address, INTERNET_IPV6).await {
        Ok(heard) => heard,
        Err(error) => return cannot_tell(error),
    };
    let is_routed = running.config.is_routed;
    match heard {
        Heard { answered: true, solicited: true, .. } => {
            Finding::pass(format!("on-link: it asked for {address}, was answered, and sent to it"))
        }
        Heard { answered: true, .. } if is_routed => Finding::pass(format!("routed: it sends to {address}")),
        Heard { answered: true, .. } => {
            Finding::pass(format!("it knows where {address} is, and sends to it"))
        }
        Heard { solicited: true, advertised: false, .. } if is_routed => {
            Finding::fail(format!("it looks for {address} on the link, as for a neighbour"))
                .expected("that its prefix is routed to this host; else delete `routed = true`")
        }
        Heard { solicited: true, advertised: false, .. } => {
            Finding::fail(format!("it asks for {address}, and nobody answers"))
                .expected("the kernel's answer: see proxy-ndp and leases")
                .mend("sysctl net.ipv6.conf.all.proxy_ndp\nip -6 neigh show proxy")
        }
        Heard { solicited: true, .. } => {
            Finding::fail(format!("it asks for {address}, is answered, and does not take the answer"))
                .expected("a packet to that address; try `ndp = \"responder\"` under [uplink], or ask the provider which addresses this host may use")
        }
        Heard { .. } => silent(patient, address).await,
    }
}

/// A router that sends no errors at all proves nothing.
async fn silent(patient: &Patient, address: Ipv6Addr) -> Finding {
    let nothing =
        || Finding::skip(format!("it neither asks for {address} nor answers it, nor this host itself"));
    let Ok(uplink) = &patient.uplink else { return nothing() };
    let Some(own) = uplink.addresses.iter().find(|entry| entry.is_usable()) else { return nothing() };
    match ask_router(&uplink.link, own.address, INTERNET_IPV6).await {
        Ok(Heard { answered: true, .. }) => Finding::fail(format!(
            "filtered: it answers {}, but neither asks for {address} nor answers it",
            own.address
        ))
        .expected("the same for every address that is lent; ask the provider which ones this host may use"),
        Ok(_) => nothing(),
        Err(error) => cannot_tell(error),
    }
}
