//! Duplicate detection against a neighbour in a network namespace of its own.

use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use super::addresses::pool;
use super::*;

const TARGET: u16 = 0x2330;

/// Another host on the uplink's link: what is sent is run there as a command.
struct Neighbour {
    commands: Sender<(String, Sender<String>)>,
}

impl Neighbour {
    /// Its link is called `far`, and does not detect duplicates. `None` where iproute2 is missing.
    async fn join(network: &Network) -> Option<Self> {
        if iproute(&["-V"]).is_empty() {
            eprintln!("skipped: needs iproute2");
            return None;
        }
        let (commands, orders) = channel::<(String, Sender<String>)>();
        let (ready, thread_id) = channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
            for (command, done) in orders {
                done.send(run(&command)).unwrap();
            }
        });
        let far = format!("link add {UPLINK} type veth peer name far netns {}", thread_id.recv().unwrap());
        iproute(&far.split(' ').collect::<Vec<_>>());
        network.sysctls.write(&key(UPLINK, "accept_dad"), "0").unwrap();
        set_up(UPLINK).await;
        let neighbour = Self { commands };
        neighbour.run("conf accept_dad 0");
        neighbour.run("ip link set far up");
        // The kernel notices a carrier in its own time.
        while !(is_ready(&iproute(&["addr", "show", "dev", UPLINK]))
            && is_ready(&neighbour.run("ip addr show dev far")))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Some(neighbour)
    }

    /// `ip` and what follows it, or `conf` with an IPv6 setting of its link.
    fn run(&self, command: &str) -> String {
        let (done, outcome) = channel();
        self.commands.send((command.into(), done)).unwrap();
        outcome.recv().unwrap()
    }

    fn take(&self, address: Ipv6Addr) {
        self.run(&format!("ip addr add {address}/64 dev far"));
    }

    fn detects_duplicates_fast_and_tells(&self) {
        for setting in ["accept_dad 1", "router_solicitation_delay 0", "ndisc_notify 1"] {
            self.run(&format!("conf {setting}"));
        }
        self.run("neigh retrans_time_ms 100");
    }

    fn mac(&self) -> Vec<u8> {
        let shown = self.run("ip link show dev far");
        let mac = shown.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap();
        mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }
}

fn is_ready(shown: &str) -> bool {
    shown.contains("state UP") && shown.contains("inet6 fe80") && !shown.contains("tentative")
}

fn run(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    match words[..] {
        ["ip", ..] => iproute(&words[1..]),
        [kind, name, value] => {
            std::fs::write(format!("/proc/sys/net/ipv6/{kind}/far/{name}"), value).unwrap();
            String::new()
        }
        _ => panic!("{command}"),
    }
}

#[test]
fn an_address_that_a_neighbour_has_is_a_conflict_with_its_link_layer_address() {
    in_namespace(async |network| {
        let Some(neighbour) = Neighbour::join(&network).await else { return };
        neighbour.take(pool(TARGET));
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        let conflict = probe.first_answer().await.unwrap().unwrap();
        assert_eq!(conflict.link_layer_address, Some(neighbour.mac()));
        assert_eq!(conflict.source, pool(TARGET));
    });
}

#[test]
fn nobody_has_an_address_that_is_not_answered_for_within_200_ms() {
    in_namespace(async |network| {
        let Some(neighbour) = Neighbour::join(&network).await else { return };
        neighbour.take(pool(TARGET + 1));
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        let start = Instant::now();
        assert_eq!(probe.first_answer().await.unwrap(), None);
        let took = start.elapsed();
        assert!(took > Duration::from_millis(150) && took < Duration::from_millis(400), "{took:?}");
        assert_eq!(probe.late_answer().await.unwrap(), None);
        assert!(start.elapsed() > Duration::from_secs(2));
    });
}

#[test]
fn an_address_that_this_host_itself_has_is_no_conflict() {
    in_namespace(async |network| {
        let Some(_neighbour) = Neighbour::join(&network).await else { return };
        add(&network, plain(pool(TARGET), 64)).await;
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        assert_eq!(probe.first_answer().await.unwrap(), None);
    });
}

#[test]
fn a_neighbour_that_is_about_to_take_the_address_is_a_conflict() {
    in_namespace(async |network| {
        let Some(neighbour) = Neighbour::join(&network).await else { return };
        neighbour.detects_duplicates_fast_and_tells();
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        neighbour.take(pool(TARGET));
        let conflict = probe.first_answer().await.unwrap().unwrap();
        assert!(conflict.source.is_unspecified(), "{conflict:?}");
    });
}

#[test]
fn a_neighbour_that_takes_the_address_a_second_later_is_a_late_conflict() {
    in_namespace(async |network| {
        let Some(neighbour) = Neighbour::join(&network).await else { return };
        neighbour.detects_duplicates_fast_and_tells();
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        assert_eq!(probe.first_answer().await.unwrap(), None);
        let wait = tokio::time::timeout(Duration::from_secs(1), probe.late_answer()).await;
        wait.expect_err("nothing yet");
        neighbour.take(pool(TARGET));
        let conflict = probe.late_answer().await.unwrap().unwrap();
        assert_eq!(conflict.link_layer_address, Some(neighbour.mac()), "that it was about to does not count");
    });
}

#[test]
fn without_a_link_local_address_the_neighbours_are_asked_from_the_unspecified_one() {
    in_namespace(async |network| {
        let Some(neighbour) = Neighbour::join(&network).await else { return };
        neighbour.take(pool(TARGET));
        add(&network, plain(pool(1), 64)).await;
        iproute(&["addr", "flush", "dev", UPLINK, "scope", "link"]);
        assert_eq!(network.observe(&[]).await.unwrap().link_local_of(UPLINK), None);
        let mut probe = network.probe(UPLINK, pool(TARGET)).await.unwrap();
        let conflict = probe.first_answer().await.unwrap().unwrap();
        assert_eq!(conflict.link_layer_address, Some(neighbour.mac()));
        let mut probe = network.probe(UPLINK, pool(2)).await.unwrap();
        assert_eq!(probe.first_answer().await.unwrap(), None, "its own question is no claim");
    });
}

#[test]
fn a_link_that_is_not_there_is_an_error_with_its_name() {
    in_namespace(async |network| {
        let error = network.probe("ens9", pool(TARGET)).await.unwrap_err();
        let expected = "look for 2001:db8::a133:0:113:2330 among the neighbours on ens9: No such device";
        assert_eq!(error.to_string(), expected);
    });
}
