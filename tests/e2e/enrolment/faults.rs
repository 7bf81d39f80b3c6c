//! Orders on a disk that is full, breaks, or is the last thing that the program saw: what was acknowledged holds, what
//! was refused or cut off is done or not, and the state can always be read.
//!
//! `V6TUN_SEED` repeats a run, `V6TUN_ORDERS` asks for more than usual.

use std::env;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use v6tun_tests::lab::fault::{Effect, Fault};
use v6tun_tests::lab::{Finished, Lab, Namespace, Options, Process, VpsShape};
use v6tun_tests::product::{FreshServer, Installation};
use v6tun_tests::seed::seed;

use super::belief::Belief;
use super::orders::{Known, Order, Orders};
use super::trouble::{Tally, Trouble, damage};

/// Orders on the files.
const ORDERS: u64 = 720;
/// On the same files; then come others, as ended invitations are remembered.
const BLOCK: u64 = 240;
/// One order to a running server for so many on the files.
const ON_FILES_FOR_ONE: u64 = 7;
/// How many of the orders are followed by a look at what there is. The next one finds what the others left.
const LOOKED_AFTER: f64 = 0.7;
/// How many of the acknowledgements are the last that a running server did.
const KILLED_AFTER: f64 = 0.4;
/// How often a file is damaged that can be: the other one holds the same.
const DAMAGED: f64 = 0.2;
const READY_LIMIT: Duration = Duration::from_secs(15);
/// How long a server takes to be gone that was killed while it was asked something.
const DEATH_LIMIT: Duration = Duration::from_millis(100);
const ON_FILES: &str = "private-key-file = \"private.key\"\nendpoint = \"203.0.113.233:51820\"\n\n\
    [pool]\nprefix = \"2001:db8:1:2::/64\"\nrouted = true\n";

/// The server, what it may know, and where trouble comes from.
struct Scene<'a> {
    lab: &'a Lab,
    server: Installation,
    /// `None`: the orders are carried out on the files.
    process: Option<Process>,
    belief: Belief,
    /// Whether both files hold the same, as they must after an acknowledgement.
    is_whole: bool,
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
            is_whole: false,
            server,
            process,
            orders: Orders { first, keys: Vec::new() },
            random: StdRng::seed_from_u64(seed),
            tally: Tally::default(),
        })
    }

    fn state(&self) -> PathBuf {
        self.server.dir().join("state")
    }

    /// Gives random orders, each with its trouble.
    fn play(&mut self, count: u64) -> Result<()> {
        for number in 0..count {
            let damaged = self.damage()?;
            let order = self.orders.random(&mut self.random, &self.belief.guess());
            let state = self.state();
            let trouble = Trouble::random(&mut self.random, &state, self.process.is_some());
            self.live_through(&order, &trouble)
                .with_context(|| format!("order {number}: {order:?} with {trouble:?} and {damaged:?}"))?;
            self.tally.orders += 1;
        }
        self.look().context("at the end")
    }

    /// Damages one file now and then, where nobody has it open and the other one suffices.
    fn damage(&mut self) -> Result<Option<String>> {
        if self.process.is_some() || !self.is_whole || !self.random.random_bool(DAMAGED) {
            return Ok(None);
        }
        let state = self.state();
        let damaged = damage(&mut self.random, &state)?;
        self.tally.damaged += u64::from(damaged.is_some());
        self.is_whole = false;
        Ok(damaged)
    }

    fn live_through(&mut self, order: &Order, trouble: &Trouble) -> Result<()> {
        let (finished, has_happened) = self.give(order, trouble)?;
        if finished.success() && self.random.random_bool(KILLED_AFTER) {
            self.kill()?;
        }
        let (has_server, has_crashed) = match &mut self.process {
            Some(process) => (true, !process.is_running()?),
            None => (false, true),
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

    fn kill(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && process.is_running()?
        {
            self.tally.killed += 1;
            process.kill()?;
        }
        Ok(())
    }

    /// Gives an order with its trouble, and returns what was said and whether something went wrong.
    fn give(&mut self, order: &Order, trouble: &Trouble) -> Result<(Finished, bool)> {
        let (vps, log) = (&self.lab.vps, self.server.dir().join("strace.log"));
        let command_line = self.server.command_line(&order.command());
        let (fault, finished) = match (trouble, &mut self.process) {
            (Trouble::None, _) | (Trouble::Killed(_), None) => return Ok((vps.run(&command_line)?, false)),
            (Trouble::Killed(moment), Some(process)) => {
                self.tally.killed += 1;
                return Ok((run_while_killed(vps, &command_line, process, *moment)?, true));
            }
            (Trouble::Fault(fault), None) => {
                (fault, vps.run(&format!("{} {command_line}", fault.before(&log)))?)
            }
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
                (fault, finished)
            }
        };
        let has_happened = Fault::has_happened(&log)?;
        if has_happened {
            *self.tally.faults.entry((fault.operation.clone(), fault.effect)).or_default() += 1;
        }
        Ok((finished, has_happened))
    }

    /// What is known of the server after the answer to an order.
    fn judge(&mut self, order: &Order, finished: &Finished, has_happened: bool) -> Result<()> {
        let said = finished.stderr.lines().rev().find(|line| line.starts_with("v6tun-server: "));
        self.is_whole = finished.success();
        match finished.code {
            Some(0) => {
                let told = said.and_then(|line| line.split(' ').next_back());
                let told = told.with_context(|| format!("acknowledged without a word: {finished:?}"))?;
                self.tally.acknowledged += 1;
                self.belief.acknowledge(order, told)
            }
            Some(1) if !has_happened => {
                self.tally.refused += 1;
                self.belief.refuse(order).with_context(|| finished.stderr.clone())
            }
            Some(1) if said.is_none() => bail!("failed without a word: {finished:?}"),
            // The third is the end of one that was killed, as `timeout` tells it.
            Some(1) | None | Some(137) if has_happened => {
                self.tally.failed += 1;
                self.belief.doubt(order);
                Ok(())
            }
            _ => bail!("an end that nobody asked for: {finished:?}"),
        }
    }

    fn look(&mut self) -> Result<()> {
        self.belief.settle(Known::by(&self.server)?)?;
        self.is_whole = true;
        Ok(())
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
        tally.assert_telling()?;
        if orders < ORDERS { Ok(()) } else { tally.assert_each_operation_was_hit() }
    })
}

#[test]
fn whatever_befalls_a_running_server_what_it_acknowledged_holds() -> Result<()> {
    let (seed, orders, start) = (seed()?, orders()? / ON_FILES_FOR_ONE, Instant::now());
    ensure!(orders > 0, "V6TUN_ORDERS is too few");
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let mut scene = Scene::with_server(lab, seed)?;
        scene.play(orders).with_context(|| format!("V6TUN_SEED={seed}"))?;
        println!("to a running server, {:.1?}: {}", start.elapsed(), scene.tally);
        scene.tally.assert_telling()
    })
}
