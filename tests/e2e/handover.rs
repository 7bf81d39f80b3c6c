//! A server that is restarted (SIGUSR1, `systemctl restart`) leaves the host as it is, and the next one goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, wait_until};
use v6tun_tests::product::{Deployment, server_toml};
use v6tun_tests::seed::seed;
use v6tun_tests::systemd_host::SystemdHost;

use crate::service::{configure, put_program};
use crate::tools::{connection, must_reach, wait_for_address, wait_until_settled};

const PORT: u16 = 7000;
const SERVICE: &str = "v6tun-server.service";
/// What a server says that takes over what was left.
const GOES_ON: &str = "going on with what the server before has left";
/// How long a connection may wait for what was lost meanwhile: TCP repeats it after 0.2, 0.6, 1.4, 3 and 6.2 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP connection from outside to a client.
pub(crate) struct Visit {
    listener: TcpListener,
    outside: TcpStream,
    inside: TcpStream,
}

impl Visit {
    pub(crate) fn begin(lab: &Lab, client: Ipv6Addr) -> Result<Self> {
        let (listener, outside, inside) = connection(&lab.site, &lab.pc, client, PORT)?;
        inside.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { listener, outside, inside })
    }

    pub(crate) fn say(&mut self, word: &[u8; 4]) -> Result<()> {
        self.outside.write_all(word).context("the connection from outside")
    }

    pub(crate) fn hear(&mut self, word: &[u8; 4]) -> Result<()> {
        let mut heard = [0; 4];
        self.inside.read_exact(&mut heard).context("the client's end of the connection")?;
        ensure!(heard == *word, "{heard:?}");
        Ok(())
    }
}

/// Stops the server so that the next one goes on.
pub(crate) fn hand_over(server: &mut Process) -> Result<()> {
    server.signal(Signal::USR1)?;
    let code = server.wait(Duration::from_secs(10))?;
    ensure!(code == Some(0), "{code:?}: {}", server.stderr());
    Ok(())
}

fn ensure_as(before: &Snapshot, lab: &Lab, when: &str) -> Result<()> {
    wait_until_settled(&lab.vps)?;
    let difference = before.difference(&Snapshot::take(&lab.vps)?);
    ensure!(difference.is_empty(), "{when}: {difference}");
    Ok(())
}

/// What is lent: the addresses of the VPS, and the entries for those that it answers for.
fn lent(lab: &Lab) -> Result<String> {
    let addresses = lab.vps.output("ip -6 -o address show dev ens3 scope global")?;
    let addresses: Vec<_> = addresses.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    Ok(addresses.join(" ") + &lab.vps.output("ip -6 neighbour show proxy")?)
}

/// `ip monitor` on the VPS: what others than the router change of addresses and routes.
struct Watch<'a>(&'a Lab, Process);

impl<'a> Watch<'a> {
    fn start(lab: &'a Lab) -> Result<Self> {
        let watch = Self(lab, lab.vps.spawn("ip-monitor", "ip -6 monitor address route")?);
        watch.mark("2001:db8:ffff::1")?;
        Ok(watch)
    }

    fn mark(&self, marker: &str) -> Result<()> {
        wait_until("the monitor to see a marker", Duration::from_secs(5), || {
            self.0.vps.ip(&format!("route add unreachable {marker}\nroute del unreachable {marker}"))?;
            Ok(self.1.stdout().contains(&format!("Deleted unreachable {marker}")))
        })
    }

    fn changes(&self) -> Result<Vec<String>> {
        self.mark("2001:db8:ffff::2")?;
        let seen = self.1.stdout();
        let is_change = |line: &&str| line.contains("2001:db8:1301:") || line.starts_with("Deleted");
        let changes = seen.lines().filter(is_change).filter(|line| !line.contains("2001:db8:ffff::"));
        Ok(changes.filter(|line| !line.contains("proto ra")).map(str::to_owned).collect())
    }
}

#[test]
fn a_connection_lives_through_a_restart_that_changes_nothing_on_the_host() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        // Where it is set a route over a tun without a reader would not count, and clients be said to be unreachable.
        lab.vps.set_sysctls(&[("net/ipv6/conf/default/ignore_routes_with_linkdown", "1")])?;
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let mut client = deployment.pc.up()?;
        let mut visit = Visit::begin(lab, leasable(0))?;
        let (serving, watch) = (Snapshot::take(&lab.vps)?, Watch::start(lab)?);
        let said_by_client = (client.stdout(), client.stderr());

        hand_over(&mut server)?;
        visit.say(b"gap.")?;
        wait_until("the kernel to see that nobody reads", Duration::from_secs(5), || {
            Ok(lab.vps.output("ip -6 route show dev v6tun0")?.contains("linkdown"))
        })?;
        let pinged = lab.site.run(&format!("ping -n -c 2 -i 0.2 -W 1 {}", leasable(0)))?;
        ensure!(!pinged.stdout.contains("nreachable") && !pinged.success(), "{}", pinged.stdout);
        let site = lab.site.clone();
        let late = thread::spawn(move || site.enter(|| Ok(TcpStream::connect((leasable(0), PORT))?)));
        let _server = deployment.server.up()?;
        must_reach(&lab.site, leasable(0))?;
        visit.hear(b"gap.")?;
        late.join().expect("it does not panic").context("a connection that began meanwhile")?;
        visit.listener.accept()?;
        visit.say(b"then")?;
        visit.hear(b"then")?;

        wait_until_settled(&lab.vps)?;
        let difference = serving.difference(&Snapshot::take(&lab.vps)?);
        // The kernel has seen its carrier come and go.
        let is_the_tun = |line: &&str| line.contains(r#""ifname":"v6tun0""#) && line.contains("operstate");
        let differs = difference.lines().filter(|line| line.starts_with("  ") && !is_the_tun(line));
        assert_eq!(differs.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(watch.changes()?, [""; 0]);
        ensure!(client.is_running()?, "the client ended: {}", client.stderr());
        assert_eq!((client.stdout(), client.stderr()), said_by_client, "the client has noticed it");
        deployment.server.down()?;
        ensure_as(&before, lab, "at the end")
    })
}

#[test]
fn clients_of_a_prefix_guarded_ones_and_those_of_a_responder_keep_their_connections() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let listed = fs::read_to_string(deployment.server.config())?;
        let before = Snapshot::take(&lab.vps)?;
        let pool = listed.lines().find(|line| line.starts_with("addresses")).context("the pool")?;
        let name = "name = \"pc\"\n";
        for config in [
            listed
                .replace(pool, "prefix = \"2001:db8:1301:740::/64\"")
                .replace(name, &format!("{name}inbound = \"established\"\n")),
            listed.replace("[pool]", "[uplink]\nndp = \"responder\"\n\n[pool]"),
        ] {
            deployment.server.write_config(&config)?;
            let mut server = deployment.server.up()?;
            let mut client = deployment.pc.up()?;
            let (listener, inside, outside) = connection(&lab.pc, &lab.site, SITE_IPV6, PORT)?;
            inside.set_read_timeout(Some(PATIENCE))?;
            let mut visit = Visit { listener, outside, inside };
            let (lent_before, watch) = (lent(lab)?, Watch::start(lab)?);
            for _ in 0..2 {
                hand_over(&mut server)?;
                visit.say(b"gap.")?;
                server = deployment.server.up()?;
                ensure!(server.stderr().contains(GOES_ON), "{config}\n{}", server.stderr());
                visit.hear(b"gap.").with_context(|| config.clone())?;
            }
            assert_eq!(lent(lab)?, lent_before, "{config}");
            assert_eq!(watch.changes()?, [""; 0], "{config}");
            server.stop()?;
            ensure_as(&before, lab, &config)?;
            client.stop()?;
        }
        Ok(())
    })
}

#[test]
fn what_was_left_to_a_server_that_does_not_come_is_given_back_by_down() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let _clients = (deployment.pc.up()?, deployment.laptop.up()?);
        hand_over(&mut server)?;
        ensure!(lab.vps.run("ip link show dev v6tun0")?.success(), "the tun went with the server");
        deployment.server.down()?;
        ensure_as(&before, lab, "after down")
    })
}

#[test]
fn a_server_that_cannot_begin_gives_back_what_was_left_to_it() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let good = fs::read_to_string(deployment.server.config())?;
        let before = Snapshot::take(&lab.vps)?;
        let _client = deployment.pc.start_up()?;
        for (config, code) in [
            ("nonsense".to_owned(), 2),
            (good.replace("[pool]", "[uplink]\ninterface = \"ens9\"\n\n[pool]"), 1),
        ] {
            deployment.server.write_config(&good)?;
            let mut server = deployment.server.up()?;
            wait_until("the lease", PATIENCE, || Ok(lent(lab)?.contains("proxy")))?;
            hand_over(&mut server)?;
            deployment.server.write_config(&config)?;
            let refused = deployment.server.run("up")?;
            ensure!(refused.code == Some(code), "{refused:?}");
            ensure_as(&before, lab, &config)?;
        }
        Ok(())
    })
}

#[test]
fn the_lease_of_a_client_that_is_gone_from_the_file_is_given_back_and_the_others_are_not_touched()
-> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let pool = [leasable(0), leasable(1)];
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let _pc = deployment.pc.up()?;
        let with_one = lent(lab)?;
        let _laptop = deployment.laptop.up()?;
        let mut visit = Visit::begin(lab, leasable(0))?;
        hand_over(&mut server)?;
        deployment.server.write_config(&server_toml(&pool, &[&deployment.pc]))?;
        let mut server = deployment.server.up()?;
        assert_eq!(lent(lab)?, with_one);
        visit.say(b"then")?;
        visit.hear(b"then")?;
        let said = server.stderr();
        let of_the_other = said.lines().filter(|line| line.contains(&leasable(0).to_string()));
        let changes: Vec<&str> = of_the_other.filter(|line| line.contains(" ip ")).collect();
        assert_eq!(changes, [""; 0]);
        server.stop()?;
        ensure_as(&before, lab, "after SIGTERM")
    })
}

#[test]
fn what_the_configuration_no_longer_wants_is_taken_back() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let auto = fs::read_to_string(deployment.server.config())?;
        let with_uplink = |text: &str| auto.replace("[pool]", &format!("[uplink]\n{text}\n\n[pool]"));
        let before = Snapshot::take(&lab.vps)?;
        let _client = deployment.pc.start_up()?;
        let mut server = deployment.server.up()?;
        wait_until("the lease", PATIENCE, || Ok(lent(lab)?.contains("proxy")))?;
        for text in [
            with_uplink("forwarding = \"all\""),
            with_uplink("ndp = \"responder\""),
            format!("interface = \"other\"\n{auto}"),
            auto.clone(),
        ] {
            hand_over(&mut server)?;
            deployment.server.write_config(&text)?;
            server = deployment.server.up()?;
            let is_on = |setting: &str| Ok::<_, anyhow::Error>(lab.vps.sysctl(setting)? == "1");
            assert_eq!(is_on("net/ipv6/conf/all/forwarding")?, text.contains("\"all\""), "{text}");
            assert_eq!(is_on("net/ipv6/conf/all/proxy_ndp")?, !text.contains("responder"), "{text}");
            let is_gone_on = server.stderr().contains(GOES_ON);
            assert_eq!(is_gone_on, !text.contains("\"other\"") && text != auto, "{text}");
            let has_tun = lab.vps.run("ip link show dev v6tun0")?.success();
            assert_eq!(has_tun, !text.contains("\"other\""), "{text}");
            must_reach_soon(lab).with_context(|| format!("{text}\n{}", server.stderr()))?;
        }
        deployment.server.down()?;
        ensure_as(&before, lab, "at the end")
    })
}

#[test]
fn another_uplink_begins_anew() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let mut server = deployment.server.up()?;
        let _client = deployment.pc.up()?;
        hand_over(&mut server)?;
        lab.vps.ip("link add ens4 type veth peer name ens4-far
             link set ens4 up
             link set ens4-far up
             address add 2001:db8:1302::1/64 dev ens4 nodad
             address add 2001:db8:1302::2/64 dev ens4 nodad")?;
        let there: Ipv6Addr = "2001:db8:1302::2".parse()?;
        let config = server_toml(&[there], &[&deployment.pc]);
        let config = config.replace("[pool]", "[uplink]\ninterface = \"ens4\"\n\n[pool]");
        deployment.server.write_config(&config)?;
        let server = deployment.server.up()?;
        ensure!(!server.stderr().contains(GOES_ON), "{}", server.stderr());
        wait_for_address(&deployment.pc, there, PATIENCE)?;
        deployment.server.down()?;
        lab.vps.ip("link del ens4")?;
        ensure_as(&before, lab, "at the end")
    })
}

#[test]
fn killed_while_it_takes_over_the_vps_is_restored_all_the_same() -> Result<()> {
    let seed = seed()?;
    let mut moments = StdRng::seed_from_u64(seed);
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        for attempt in 0..8 {
            let mut server = deployment.server.up()?;
            let clients = (deployment.pc.up()?, deployment.laptop.up()?);
            hand_over(&mut server)?;
            let moment = moments.random_range(Duration::ZERO..Duration::from_millis(60));
            let mut next = deployment.server.start_up()?;
            // A random moment is a moment in time: there is nothing else to wait for.
            thread::sleep(moment);
            next.kill()?;
            let is_left = lab.vps.run("ip link show dev v6tun0")?.success();
            println!("attempt {attempt}: killed after {moment:?}, the tun is there: {is_left}");
            if attempt % 2 == 1 {
                let _third = deployment.server.up()?;
                must_reach_soon(lab)?;
                deployment.server.down()?;
            }
            deployment.server.down()?;
            ensure_as(&before, lab, &format!("attempt {attempt}, {moment:?}, seed {seed}"))?;
            drop(clients);
            deployment.pc.down()?;
            deployment.laptop.down()?;
        }
        Ok(())
    })
}

#[test]
fn a_server_that_went_on_and_is_killed_takes_the_tun_along() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let _client = deployment.pc.start_up()?;
        let mut server = deployment.server.up()?;
        hand_over(&mut server)?;
        let mut next = deployment.server.up()?;
        must_reach_soon(lab)?;
        next.kill()?;
        ensure!(
            !lab.vps.run("ip link show dev v6tun0")?.success(),
            "what is sent to clients is lost for good"
        );
        let _third = deployment.server.up()?;
        must_reach_soon(lab)?;
        deployment.server.down()?;
        ensure_as(&before, lab, "at the end")
    })
}

fn must_reach_soon(lab: &Lab) -> Result<()> {
    wait_until("the client to be reached", PATIENCE, || Ok(must_reach(&lab.site, leasable(0)).is_ok()))
}

#[test]
fn a_restart_by_systemd_breaks_no_connection_and_a_stop_restores_the_vps() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        put_program(lab, &machine.path("/usr/local/bin"))?;
        configure(&machine, &deployment)?;
        machine.output("/usr/local/bin/v6tun-server install")?;
        let _client = deployment.pc.up()?;
        let mut visit = Visit::begin(lab, leasable(0))?;
        let (first, watch) = (machine.main_process(SERVICE)?, Watch::start(lab)?);

        machine.output(&format!("systemctl restart {SERVICE}"))?;
        ensure!(machine.main_process(SERVICE)? != first, "it was not restarted");
        visit.say(b"then")?;
        visit.hear(b"then")?;
        assert_eq!(watch.changes()?, [""; 0]);
        machine.output(&format!("systemctl stop {SERVICE}"))?;
        ensure_as(&before, lab, "after the stop")
    })
}
