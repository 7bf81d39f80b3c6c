//! Whether each client's route leads into the tunnel, and its neighbour proxy entry stands on the uplink.

use super::patient::{Patient, commands};
use std::net::Ipv6Addr;
use v6tun_cli::doctor::Finding;
use v6tun_host::network::{Change, ROUTE_PROTOCOL, Requirement};
use v6tun_wire::doctor::cannot_tell;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let tun = &running.config.interface;
    let (mut broken, mut mend, mut count) = (Vec::new(), Vec::new(), 0);
    for (address, required) in running.lease_requirements() {
        count += 1;
        let own: Vec<Requirement> = required
            .into_iter()
            .filter(|required| !matches!(required, Requirement::AddressAbsent { .. }))
            .collect();
        let changes = match patient.missing(&own).await {
            Ok(changes) => changes,
            Err(error) => return cannot_tell(error),
        };
        if !changes.is_empty() {
            broken.push(address.to_string());
            mend.push(commands(&changes));
            continue;
        }
        // Another route may be in front of it.
        match patient.network.route_to(address.into()).await {
            Ok(Some(route)) if route.link == *tun => {}
            Ok(Some(route)) => {
                broken.push(format!("{address}, whose packets go to {},", route.link));
                mend.extend(others(patient, address).await);
            }
            Ok(None) | Err(_) => {
                broken.push(format!("{address}, whose packets go nowhere,"));
                mend.extend(others(patient, address).await);
            }
        }
    }
    if broken.is_empty() {
        return Finding::pass(format!("{count} in use: each has its route and its entry"));
    }
    Finding::fail(format!("{} not wholly set up", broken.join(", ")))
        .expected(format!("a route into {tun} and an answer on the uplink for each"))
        .mend(mend.join("\n"))
}

/// The commands that delete the routes of others to that address alone.
async fn others(patient: &Patient, address: Ipv6Addr) -> Vec<String> {
    let routes = patient.network.observe(&[]).await.map(|observed| observed.routes).unwrap_or_default();
    let of_others = routes.into_iter().filter(|route| {
        (route.destination, route.prefix_len) == (address, 128) && route.protocol != ROUTE_PROTOCOL
    });
    of_others.map(|route| Change::DeleteRoute(route).to_string()).collect()
}
