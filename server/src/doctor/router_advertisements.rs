//! Whether the default route outlives forwarding: the kernel drops what it learnt by router advertisement on an
//! interface that forwards, unless `accept_ra` is 2 (`net/ipv6/addrconf.c`).

use super::patient::Patient;
use crate::host_shape::RouteOrigin;
use v6tun_cli::doctor::Finding;
use v6tun_host::network::SysctlKey;

pub(super) fn check(patient: &Patient) -> Finding {
    let Ok(uplink) = &patient.uplink else { return Finding::skip("there is no usable uplink") };
    let name = &uplink.link.name;
    let Some(route) = &uplink.default_route else { return Finding::skip("there is no default route") };
    let origin = RouteOrigin::of(route);
    if origin != RouteOrigin::KernelRa {
        return Finding::pass(format!("the default route is {origin}: the kernel does not drop it"));
    }
    let setting = |setting: &str| {
        let key = SysctlKey::ipv6_conf(name, setting).ok()?;
        Some((patient.network.sysctl(&key).ok()??, key))
    };
    let (Some((accept_ra, key)), Some((forwarding, _))) = (setting("accept_ra"), setting("forwarding"))
    else {
        return Finding::skip("the kernel does not tell its settings");
    };
    if forwarding == "0" || accept_ra == "2" {
        return Finding::pass(format!("{key} is {accept_ra}, and {name} forwards: {}", forwarding != "0"));
    }
    Finding::fail(format!(
        "{key} is {accept_ra} while {name} forwards: the default route goes when it expires"
    ))
    .expected("2: routes are learnt although the interface forwards")
    .mend(format!("sysctl -w {key}=2"))
}
