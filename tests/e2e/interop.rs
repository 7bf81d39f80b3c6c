//! v6tun and stock WireGuard work together, both ways.
//!
//! ```text
//!   pc       v6tun-client, address = "…"   ── stock wireguard-go on the neighbour, set up by hand
//!   laptop   stock wireguard-go            ── v6tun-server on the VPS
//! ```

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, VPS_IPV4, leasable};
use v6tun_tests::lab::{Lab, Namespace, Process, wait_until};
use v6tun_tests::product::{Installation, PORT, server_toml};
use v6tun_tests::stock_wireguard::{Implementation, StockWireGuard};
use v6tun_tests::turtle_site::DANCES;

use crate::options;

/// The neighbour's IPv4 address.
const NEIGHBOUR_IPV4: &str = "203.0.113.234";
/// What the neighbour lends by hand.
const LENT_BY_HAND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0x133, 0, 0x113, 0x2350);
/// WireGuard asks for new keys when a session is 120 s old (REKEY_AFTER_TIME) and something is sent.
const PINGS_UNTIL_REKEY: u32 = 124;

/// A key pair in a file of its own.
struct Key {
    private: String,
    public: String,
}

impl Key {
    fn generate() -> Result<Self> {
        let key = v6tun_keys::PrivateKey::generate()?;
        Ok(Self { private: key.to_base64().to_string(), public: key.public_key().to_string() })
    }
}

/// One direction: who pings the site, and how the age of its session is told.
struct Direction<'a> {
    name: &'static str,
    host: &'a Namespace,
    handshake: Box<dyn Fn() -> Result<u64> + 'a>,
}

#[test]
fn stock_peers_work_with_v6tun_both_ways_through_a_rekey() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = Installation::new(lab, "v6tun-server", &lab.vps)?;
        let laptop = Installation::new(lab, "v6tun-client", &lab.laptop)?;
        server.write_config(&server_toml(&[leasable(0)], &[&laptop]))?;
        let _serving = server.up()?;
        let stock_client = stock_client(&laptop, &server)?;
        let seen_by_stock_client = watch(&lab.laptop, stock_client.device())?;

        let stock_key = Key::generate()?;
        let client = client_of_stock_server(lab, &stock_key)?;
        let stock_server = stock_server(lab, &stock_key, client.public_key())?;
        let seen_by_stock_server = watch(&lab.neighbour, stock_server.device())?;
        let _connected = client.up()?;

        let directions = [
            Direction {
                name: "a stock client of v6tun-server",
                host: &lab.laptop,
                handshake: Box::new(|| stock_client.latest_handshake()),
            },
            Direction {
                name: "v6tun-client at a stock server",
                host: &lab.pc,
                handshake: Box::new(|| stock_server.latest_handshake()),
            },
        ];
        for direction in &directions {
            let page = direction.host.output("curl -6 -sS -m 10 http://www.turtle.example/");
            ensure!(page.context(direction.name)?.contains(DANCES), "{}", direction.name);
        }
        live_through_a_rekey(&directions)?;

        let status = server.status()?;
        ensure!(status["clients"][0]["latest-handshake"].as_u64().is_some(), "{status}");
        ensure!(status["clients"][0]["address"] == leasable(0).to_string().as_str(), "{status}");
        for seen in [seen_by_stock_client, seen_by_stock_server] {
            assert_no_control(&seen)?;
        }
        Ok(())
    })
}

/// Pings once a second, both directions at the same time, until both have new keys.
/// Five seconds, of which a stock client alone would need a minute and more.
const CALLED_BACK: Duration = Duration::from_secs(5);

#[test]
fn a_silent_stock_client_is_reached_soon_after_the_server_was_started_anew() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = Installation::new(lab, "v6tun-server", &lab.vps)?;
        let laptop = Installation::new(lab, "v6tun-client", &lab.laptop)?;
        server.write_config(&server_toml(&[leasable(0)], &[&laptop]))?;
        let mut serving = server.up()?;
        let _stock_client = stock_client(&laptop, &server)?;
        lab.laptop.output(&format!("ping -n -c 1 -w 10 {SITE_IPV6}"))?;
        let state = server.dir().join("state/server-state.toml");
        wait_until("its endpoint to be written down", Duration::from_secs(30), || {
            Ok(std::fs::read_to_string(&state).unwrap_or_default().contains("[[endpoint]]"))
        })?;
        for _ in 0..3 {
            serving.kill()?;
            serving = server.up()?;
            let start = Instant::now();
            wait_until("an answer", CALLED_BACK, || {
                Ok(lab.site.run(&format!("ping -n -c 1 -W 0.2 {}", leasable(0)))?.success())
            })?;
            println!("reached after {:?}", start.elapsed());
        }
        Ok(())
    })
}

fn live_through_a_rekey(directions: &[Direction<'_>]) -> Result<()> {
    let before: Vec<u64> =
        directions.iter().map(|direction| (direction.handshake)()).collect::<Result<_>>()?;
    let mut pings = Vec::new();
    for direction in directions {
        let command = format!("ping -6 -n -i 1 -W 2 -c {PINGS_UNTIL_REKEY} {SITE_IPV6}");
        pings.push(direction.host.spawn("ping", &command)?);
    }
    for ((direction, ping), before) in directions.iter().zip(&mut pings).zip(before) {
        ping.wait(Duration::from_secs(u64::from(PINGS_UNTIL_REKEY) + 15))?;
        ensure!(ping.stdout().contains(" 0% packet loss"), "{}: {}", direction.name, ping.stdout());
        let what = format!("{}: new keys", direction.name);
        wait_until(&what, Duration::from_secs(10), || {
            direction.host.run(&format!("ping -6 -n -c 1 -W 1 {SITE_IPV6}"))?;
            Ok((direction.handshake)()? >= before + 100)
        })?;
    }
    Ok(())
}

/// A stock client with the key of an installed one, its leased address written down by hand.
fn stock_client(installed: &Installation, server: &Installation) -> Result<StockWireGuard> {
    let private = std::fs::read_to_string(installed.dir().join("private.key")).context("the client's key")?;
    let configuration = format!(
        "[Interface]\nPrivateKey = {}\n[Peer]\nPublicKey = {}\nEndpoint = {VPS_IPV4}:{PORT}\n\
         AllowedIPs = ::/1, 8000::/1\nPersistentKeepalive = 25\n",
        private.trim(),
        server.public_key()
    );
    let (host, program) = (installed.host(), Implementation::WireGuardGo);
    let stock = StockWireGuard::start(host, program, &configuration, &[leasable(0)])?;
    stock.route_everything()?;
    Ok(stock)
}

/// A stock server on the neighbour, with the manual steps of the article around it. It takes any source,
/// so that whatever its client sends is seen.
fn stock_server(lab: &Lab, key: &Key, client: &str) -> Result<StockWireGuard> {
    let configuration = format!(
        "[Interface]\nPrivateKey = {}\nListenPort = {PORT}\n[Peer]\nPublicKey = {client}\nAllowedIPs = ::/0\n",
        key.private
    );
    let stock = StockWireGuard::start(&lab.neighbour, Implementation::WireGuardGo, &configuration, &[])?;
    stock.lend(LENT_BY_HAND)?;
    Ok(stock)
}

/// `v6tun-client` on the pc, told its address because a stock server leases none.
fn client_of_stock_server(lab: &Lab, server: &Key) -> Result<Installation> {
    let client = Installation::new(lab, "v6tun-client", &lab.pc)?;
    client.write_config(&format!(
        "private-key-file = \"private.key\"\naddress = \"{LENT_BY_HAND}\"\n\n\
         [server]\npublic-key = \"{}\"\nendpoint = \"{NEIGHBOUR_IPV4}:{PORT}\"\n",
        server.public
    ))?;
    Ok(client)
}

/// Watches what the other end sends into `device`.
fn watch(host: &Namespace, device: &str) -> Result<Process> {
    let tcpdump = host.spawn("tcpdump", &format!("tcpdump -n -l -Q in -i {device} ip6"))?;
    wait_until("tcpdump to listen", Duration::from_secs(10), || {
        Ok(tcpdump.stderr().contains("listening on"))
    })?;
    Ok(tcpdump)
}

/// What was seen holds echoes, and neither link-local addresses nor the control protocol's port.
fn assert_no_control(seen: &Process) -> Result<()> {
    let packets = seen.stdout();
    ensure!(packets.contains("ICMP6, echo"), "tcpdump saw no ping: {packets}");
    let control: Vec<&str> =
        packets.lines().filter(|line| line.contains("fe80:") || line.contains(".5186")).collect();
    ensure!(control.is_empty(), "the other end sent control packets: {control:#?}");
    Ok(())
}
