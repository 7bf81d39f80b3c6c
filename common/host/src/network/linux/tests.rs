//! The kernel itself, each test in a network namespace of its own that ends with the test's thread.

mod addresses;
mod announcement;
mod bystanders;
mod journal;
mod probe;
mod release;
mod routed;
mod routes;
mod settings;
mod stand_ins;
mod watch;

use std::future::Future;
use std::net::Ipv6Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt;
use nix::sched::{CloneFlags, unshare};
use rtnetlink::{LinkUnspec, LinkVeth, MulticastGroup, new_multicast_connection};

use super::*;
use crate::network::{Identity, InterfaceAddress, Journal, carry_out, plan};

/// The uplink of these tests.
const UPLINK: &str = "ens3";

/// Runs the test in a new network namespace, or says why it cannot.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce(Network) -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: a network namespace needs root: {error}");
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Network::open().unwrap()).await });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn handle() -> rtnetlink::Handle {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    tokio::spawn(connection);
    handle
}

async fn set_up(name: &str) {
    handle().link().set(LinkUnspec::new_with_name(name).up().build()).execute().await.unwrap();
}

/// One end of a pair of links, without duplicate address detection, both up and with their link-local
/// addresses. The other end's name follows from the first's.
async fn add_link(network: &Network, name: &str) {
    let far = format!("{name}-far");
    let (connection, _handle, mut news) = new_multicast_connection(&[MulticastGroup::Ipv6Ifaddr]).unwrap();
    tokio::spawn(connection);
    handle().link().add(LinkVeth::new(name, &far).build()).execute().await.unwrap();
    for link in [name, &far] {
        network.sysctls.write(&key(link, "accept_dad"), "0").unwrap();
        set_up(link).await;
    }
    // The kernel notices a carrier in its own time.
    let ready = async || {
        let observed = network.observe(&[]).await.unwrap();
        [name, &far].iter().all(|link| observed.link_local_of(link).is_some())
    };
    while !ready().await {
        let news = tokio::time::timeout(Duration::from_secs(20), news.next()).await;
        news.expect("a link-local address comes");
    }
}

fn key(link: &str, name: &str) -> SysctlKey {
    SysctlKey::ipv6_conf(link, name).unwrap()
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An address as `ip -6 addr add` without further words makes it.
fn plain(address: Ipv6Addr, prefix_len: u8) -> InterfaceAddress {
    InterfaceAddress { flags: 0, ..InterfaceAddress::permanent(address, prefix_len) }
}

async fn add(network: &Network, address: InterfaceAddress) {
    network.apply(&Change::AddAddress { link: UPLINK.into(), address }).await.unwrap();
}

/// Plans, journals and does what is required.
async fn require(network: &Network, journal: &mut Journal, requirements: &[Requirement]) {
    let observed = network.observe(requirements).await.unwrap();
    carry_out(network, journal, plan(requirements, &observed)).await.unwrap();
}

fn journal_in(folder: &Path) -> Journal {
    Journal::open(&folder.join("undo"), Identity::current().unwrap()).unwrap()
}

/// Every IPv6 route of every table as iproute2 prints it, once each address has its route in the kernel's own
/// table: that one comes in the kernel's own time.
async fn all_routes(network: &Network) -> String {
    let (connection, _handle, mut news) = new_multicast_connection(&[MulticastGroup::Ipv6Route]).unwrap();
    tokio::spawn(connection);
    loop {
        let observed = network.observe(&[]).await.unwrap();
        let routes = iproute(&["-6", "route", "show", "table", "all"]);
        let has_route = |link: &str, address: &InterfaceAddress| {
            routes.contains(&format!("local {} dev {link} ", address.address))
        };
        let mut links = observed.addresses.iter();
        if routes.is_empty() || links.all(|(link, list)| list.iter().all(|a| has_route(link, a))) {
            return routes;
        }
        let news = tokio::time::timeout(Duration::from_secs(20), news.next()).await;
        news.expect("each address gets its route");
    }
}

/// What iproute2 prints, for a second opinion; nothing where it is not installed.
fn iproute(arguments: &[&str]) -> String {
    let Ok(output) = Command::new("ip").args(arguments).output() else { return String::new() };
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
