//! Whether full packets fit: through the tunnel, and in one datagram each over the uplink.

use super::patient::Patient;
use crate::uplink_plan::{OVERHEAD_IPV4, mtu_ceiling};
use v6tun_cli::doctor::Finding;
use v6tun_wire::doctor::cannot_tell;

/// What the smallest inner packet of full size (RFC 8200, section 5) needs of the uplink.
const MIN_UPLINK_MTU: u32 = 1280 + OVERHEAD_IPV4;

pub(super) async fn check(patient: &Patient) -> Finding {
    let running = match patient.running() {
        Ok(running) => running,
        Err(skipped) => return skipped,
    };
    let (uplink, tun) = (&running.uplink.link, &running.config.interface);
    if uplink.mtu < MIN_UPLINK_MTU {
        return Finding::warn(format!("{} carries {} bytes", uplink.name, uplink.mtu))
            .expected(format!("{MIN_UPLINK_MTU}: else the tunnel's datagrams go in fragments"))
            .mend(format!("ip link set dev {} mtu 1500", uplink.name));
    }
    let wanted = u32::from(mtu_ceiling(running.config, running.uplink));
    match patient.network.observe(&[]).await.map(|observed| observed.link(tun).map(|link| link.mtu)) {
        Ok(Some(mtu)) if mtu == wanted => {
            Finding::pass(format!("{mtu} bytes inside, {} on {}", uplink.mtu, uplink.name))
        }
        Ok(Some(mtu)) => Finding::fail(format!("{tun} carries {mtu} bytes"))
            .expected(format!("{wanted}, as clients are told"))
            .mend(format!("ip link set dev {tun} mtu {wanted}")),
        Ok(None) => Finding::fail(format!("{tun} is gone")).expected("the tunnel's interface"),
        Err(error) => cannot_tell(error),
    }
}
