//! Orders on a disk that is full, breaks, or is the last thing that the program saw: what was acknowledged holds, what
//! was refused or cut off is done or not, and the state can always be read.
//!
//! `V6TUN_SEED` repeats a run, `V6TUN_ORDERS` asks for more than usual.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use v6tun_tests::lab::fault::{Effect, Fault};
use v6tun_tests::lab::{Finished, Lab, Namespace, Options, Process, VpsShape};
use v6tun_tests::product::{FreshServer, Installation};
use v6tun_tests::seed::seed;

use super::belief::Belief;
use super::orders::{Known, Order, Orders};

/// What a save is made of, each with the most that one order has of it: a running server only writes, on the files
/// an order reads as well and makes good what the last one left.
const OPERATIONS: [(&str, [u32; 2]); 6] = [
    ("openat", [4, 8]),
    ("write", [2, 3]),
    ("fchmod", [2, 3]),
    ("fsync", [4, 6]),
    ("rename", [2, 3]),
    ("unlink", [2, 3]),
];
/// Orders on the files.
const ORDERS: u64 = 900;
/// On the same files; then come others, as ended invitations are remembered.
const BLOCK: u64 = 300;
/// One order to a running server for so many on the files.
const ON_FILES_FOR_ONE: u64 = 9;
const READY_LIMIT: Duration = Duration::from_secs(15);
/// How long a server takes to be gone that was killed while it was asked something.
const DEATH_LIMIT: Duration = Duration::from_millis(100);
/// What an order takes, and a bit more: within it a server is killed at any moment.
const MOMENTS: Duration = Duration::from_millis(12);
/// How many of the orders are followed by a look at what there is. The next one finds what the others left.
const LOOKED_AFTER: f64 = 0.8;
const ON_FILES: &str = "private-key-file = \"private.key\"\nendpoint = \"203.0.113.233:51820\"\n\n\
    [pool]\nprefix = \"2001:db8:1:2::/64\"\nrouted = true\n";

/// What is to go wrong with an order.
#[derive(Debug)]
enum Trouble {
    None,
    /// At a file operation.
    Fault(Fault),
    /// The running server is killed at a moment.
    Killed(Duration),
}

/// What has come of the orders.
#[derive(Default)]
struct Tally {
    orders: u64,
    acknowledged: u64,
    /// Refused for a reason of the order's own.
    refused: u64,
    /// Failed or cut off by a fault.
    failed: u64,
    /// Servers killed at a moment.
    killed: u64,
    /// Faults that have happened.
    faults: BTreeMap<(&'static str, Effect), u64>,
}

/// The server, what it may know, and where trouble comes from.
struct Scene<'a> {
    lab: &'a Lab,
    server: Installation,
    /// `None`: the orders are carried out on the files.
    process: Option<Process>,
    belief: Belief,
    orders: Orders,
    random: StdRng,
    tally: Tally,
}

impl<'a> Scene<'a> {
    fn on_files(lab: &'a Lab, seed: u64) -> Result<Self> {
        let server = Installation::new(lab, "v6tun-server", &lab.vps)?;
        server.write_config(ON_FILES)?;
        Self::set(lab, server, None, (Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, 0x100), seed))
    }

    fn with_server(lab: &'a Lab, seed: u64) -> Result<Self> {
        let FreshServer { installation, process, .. } = FreshServer::up_with(lab, "up -q")?;
        let first = Ipv6Addr::new(0x2001, 0xdb8, 0x1301, 0x740, 0, 0, 0, 0x100);
        Self::set(lab, installation, Some(process), (first, seed))
    }

    fn set(
        lab: &'a Lab,
        server: Installation,
        process: Option<Process>,
        (first, seed): (Ipv6Addr, u64),
    ) -> Result<Self> {
        Ok(Self {
            lab,
            belief: Belief::certain(Known::by(&server)?),
            server,
            process,
            orders: Orders { first, keys: Vec::new() },
            random: StdRng::seed_from_u64(seed),
            tally: Tally::default(),
        })
    }

    /// Gives random orders, each with its trouble.
    fn play(&mut self, count: u64) -> Result<()> {
        for number in 0..count {
            let order = self.orders.random(&mut self.random, &self.belief.guess());
            let trouble = self.random_trouble();
            self.live_through(&order, &trouble)
                .with_context(|| format!("order {number}: {order:?} with {trouble:?}"))?;
            self.tally.orders += 1;
        }
        self.look().context("at the end")
    }

    fn live_through(&mut self, order: &Order, trouble: &Trouble) -> Result<()> {
        let has_server = self.process.is_some();
        let (finished, has_happened) = self.give(order, trouble)?;
        let has_crashed = match &mut self.process {
            Some(process) => !process.is_running()?,
            None => true,
        };
        self.judge(order, &finished, has_happened || has_server && has_crashed)?;
        if has_crashed {
            self.belief.crash();
        }
        if has_server && has_crashed {
            let mut process = self.server.start("up -q")?;
            process.wait_for_line("v6tun-server: up", READY_LIMIT)?;
            self.process = Some(process);
        }
        if self.random.random_bool(LOOKED_AFTER) { self.look() } else { Ok(()) }
    }

    /// Gives an order with its trouble, and returns what was said and whether something went wrong.
    fn give(&mut self, order: &Order, trouble: &Trouble) -> Result<(Finished, bool)> {
        let (vps, log) = (&self.lab.vps, self.server.dir().join("strace.log"));
        let command_line = self.server.command_line(&order.command());
        let finished = match (trouble, &mut self.process) {
            (Trouble::None, _) | (Trouble::Killed(_), None) => return Ok((vps.run(&command_line)?, false)),
            (Trouble::Killed(moment), Some(process)) => {
                self.tally.killed += 1;
                return Ok((run_while_killed(vps, &command_line, process, *moment)?, true));
            }
            (Trouble::Fault(fault), None) => vps.run(&format!("{} {command_line}", fault.before(&log)))?,
            (Trouble::Fault(fault), Some(process)) => {
                let mut tracer = fault.arm(vps, process, &log)?;
                let finished = vps.run(&command_line)?;
                // It ends by itself with a server that it has killed.
                let is_killed = fault.effect == Effect::Kill && process.wait(DEATH_LIMIT).is_ok();
                if is_killed {
                    tracer.wait(READY_LIMIT)?
                } else {
                    tracer.stop()?
                };
                finished
            }
        };
        let has_happened = Fault::has_happened(&log)?;
        if let Trouble::Fault(fault) = trouble
            && has_happened
        {
            *self.tally.faults.entry((fault.operation, fault.effect)).or_default() += 1;
        }
        Ok((finished, has_happened))
    }

    /// What is known of the server after the answer to an order.
    fn judge(&mut self, order: &Order, finished: &Finished, has_happened: bool) -> Result<()> {
        let said = finished.stderr.lines().rev().find(|line| line.starts_with("v6tun-server: "));
        match finished.code {
            Some(0) => {
                let told = said.and_then(|line| line.split(' ').next_back());
                let told = told.with_context(|| format!("acknowledged without a word: {finished:?}"))?;
                self.tally.acknowledged += 1;
                self.belief.acknowledge(order, told)
            }
            Some(1) => {
                ensure!(said.is_some(), "refused without a word: {finished:?}");
                if has_happened {
                    self.tally.failed += 1;
                    self.belief.doubt(order);
                    return Ok(());
                }
                self.tally.refused += 1;
                self.belief.refuse(order).with_context(|| finished.stderr.clone())
            }
            // Killed, as its tracer says by its own end.
            None | Some(137) if has_happened => {
                self.tally.failed += 1;
                self.belief.doubt(order);
                Ok(())
            }
            _ => anyhow::bail!("an end that nobody asked for: {finished:?}"),
        }
    }

    fn look(&mut self) -> Result<()> {
        self.belief.settle(Known::by(&self.server)?)
    }

    fn random_trouble(&mut self) -> Trouble {
        match (self.random.random_range(0..8), self.process.is_some()) {
            (0 | 1, _) => Trouble::None,
            (2 | 3, true) => Trouble::Killed(self.random.random_range(Duration::ZERO..MOMENTS)),
            _ => Trouble::Fault(self.random_fault()),
        }
    }

    fn random_fault(&mut self) -> Fault {
        let state = self.server.dir().join("state");
        let files = ["server-state.toml", "server-state.copy.toml"];
        let with_new = files.iter().flat_map(|file| [(*file).to_owned(), format!("{file}.new")]);
        let mut watched: Vec<PathBuf> = with_new.map(|file| state.join(file)).collect();
        watched.push(state);
        let (operation, most) = OPERATIONS[self.random.random_range(0..OPERATIONS.len())];
        let most = most[usize::from(self.process.is_none())];
        Fault {
            operation,
            number: self.random.random_range(1..=most),
            lasts: self.random.random_bool(0.3),
            effect: [Effect::Kill, Effect::NoSpace, Effect::Broken][self.random.random_range(0..3)],
            files: watched,
        }
    }
}

/// Runs a command line while the server is killed at a moment.
fn run_while_killed(
    vps: &Namespace,
    command_line: &str,
    process: &mut Process,
    moment: Duration,
) -> Result<Finished> {
    let finished = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(moment);
            process.signal(Signal::KILL)
        });
        vps.run(command_line)
    })?;
    process.wait(READY_LIMIT)?;
    Ok(finished)
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.failed += other.failed;
        self.killed += other.killed;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
    }

    /// A run in which nothing went wrong has shown nothing.
    fn assert_telling(&self) -> Result<()> {
        ensure!(self.acknowledged > 0 && self.refused > 0 && self.failed > 0, "{self}");
        for (operation, _) in OPERATIONS {
            let hit = self.faults.keys().any(|(hit, _)| *hit == operation);
            ensure!(hit, "no {operation} of the state's files was hit: {self}");
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, acknowledged, refused, failed, killed, faults } = self;
        let hit: u64 = faults.values().sum();
        write!(f, "{orders} orders: {acknowledged} acknowledged, {refused} refused, {failed} failed; ")?;
        write!(f, "servers killed at a moment: {killed}; {hit} faults: {faults:?}")
    }
}

fn orders() -> Result<u64> {
    env::var("V6TUN_ORDERS").map_or(Ok(ORDERS), |orders| orders.parse()).context("V6TUN_ORDERS")
}

#[test]
fn whatever_the_disk_does_to_orders_on_the_files_what_was_acknowledged_holds() -> Result<()> {
    let (seed, orders, start) = (seed()?, orders()?, Instant::now());
    Lab::run(&Options::default(), |lab| {
        let mut tally = Tally::default();
        for block in 0..orders.div_ceil(BLOCK) {
            let mut scene = Scene::on_files(lab, seed.wrapping_add(block))?;
            scene
                .play(BLOCK.min(orders - block * BLOCK))
                .with_context(|| format!("V6TUN_SEED={seed}, block {block}"))?;
            tally.add(&scene.tally);
        }
        println!("on the files, {:.1?}: {tally}", start.elapsed());
        tally.assert_telling()
    })
}

#[test]
fn whatever_befalls_a_running_server_what_it_acknowledged_holds() -> Result<()> {
    let (seed, orders, start) = (seed()?, orders()? / ON_FILES_FOR_ONE, Instant::now());
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let mut scene = Scene::with_server(lab, seed)?;
        scene.play(orders).with_context(|| format!("V6TUN_SEED={seed}"))?;
        println!("to a running server, {:.1?}: {}", start.elapsed(), scene.tally);
        ensure!(scene.tally.killed > 0, "{}", scene.tally);
        scene.tally.assert_telling()
    })
}
