//! What goes wrong with orders, and how often it did.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::Rng as _;
use rand::rngs::StdRng;
use v6tun_tests::lab::fault::{Effect, FOR_EVER, Fault};

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
/// The state, twice.
const FILES: [&str; 2] = ["server-state.toml", "server-state.copy.toml"];
/// What an order takes, and a bit more: within it a server is killed at any moment.
const MOMENTS: Duration = Duration::from_millis(12);

/// What is to go wrong with an order.
#[derive(Debug)]
pub(crate) enum Trouble {
    None,
    /// At a file operation.
    Fault(Fault),
    /// The running server is killed at a moment.
    Killed(Duration),
}

impl Trouble {
    pub(crate) fn random(random: &mut StdRng, state: &Path, has_server: bool) -> Self {
        match (random.random_range(0..8), has_server) {
            (0 | 1, _) => Self::None,
            (2 | 3, true) => Self::Killed(random.random_range(Duration::ZERO..MOMENTS)),
            _ => Self::Fault(random_fault(random, state, has_server)),
        }
    }
}

fn random_fault(random: &mut StdRng, state: &Path, has_server: bool) -> Fault {
    let with_new = FILES.iter().flat_map(|file| [(*file).to_owned(), format!("{file}.new")]);
    let mut files: Vec<PathBuf> = with_new.map(|file| state.join(file)).collect();
    files.push(state.to_owned());
    let (operation, [beside_a_server, on_files]) = OPERATIONS[random.random_range(0..OPERATIONS.len())];
    let most = if has_server { beside_a_server } else { on_files };
    let number = random.random_range(1..=most);
    Fault {
        operation: operation.to_owned(),
        number,
        last: if random.random_bool(0.3) { FOR_EVER } else { number },
        effect: [Effect::Kill, Effect::NoSpace, Effect::Broken][random.random_range(0..3)],
        files,
    }
}

/// Does away with one of the two files, or with a part of it; says what was done.
pub(crate) fn damage(random: &mut StdRng, state: &Path) -> Result<Option<String>> {
    let file = state.join(FILES[random.random_range(0..FILES.len())]);
    let Ok(mut bytes) = fs::read(&file) else { return Ok(None) };
    let place = random.random_range(0..bytes.len());
    let what = match random.random_range(0..3) {
        0 => {
            fs::remove_file(&file)?;
            "removed".to_owned()
        }
        1 => {
            fs::write(&file, &bytes[..place])?;
            format!("cut off at {place}")
        }
        _ => {
            bytes[place] ^= 1 << random.random_range(0..8);
            fs::write(&file, &bytes)?;
            format!("byte {place} changed")
        }
    };
    Ok(Some(format!("{}: {what}", file.file_name().context("a name")?.display())))
}

/// What has come of the orders.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) orders: u64,
    pub(crate) acknowledged: u64,
    /// Refused for a reason of the order's own.
    pub(crate) refused: u64,
    /// Failed or cut off by what went wrong.
    pub(crate) failed: u64,
    /// Servers killed at a moment, or right after an acknowledgement.
    pub(crate) killed: u64,
    /// Files of the state that were damaged.
    pub(crate) damaged: u64,
    /// Faults that have happened.
    pub(crate) faults: BTreeMap<(String, Effect), u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.failed += other.failed;
        self.killed += other.killed;
        self.damaged += other.damaged;
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }

    /// A run in which nothing went wrong has shown nothing.
    pub(crate) fn assert_telling(&self) -> Result<()> {
        ensure!(self.acknowledged > 0 && self.failed > 0 && !self.faults.is_empty(), "{self}");
        ensure!(self.killed + self.damaged > 0, "{self}");
        Ok(())
    }

    /// Hundreds of faults hit every operation: one that is never hit is not what a save is made of any more.
    pub(crate) fn assert_each_operation_was_hit(&self) -> Result<()> {
        for (operation, _) in OPERATIONS {
            let was_hit = self.faults.keys().any(|(hit, _)| *hit == operation);
            ensure!(was_hit, "no {operation} of the state's files was hit: {self}");
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, acknowledged, refused, failed, killed, damaged, faults } = self;
        let hit: u64 = faults.values().sum();
        write!(f, "{orders} orders: {acknowledged} acknowledged, {refused} refused, {failed} failed; ")?;
        write!(f, "{killed} servers killed, {damaged} files damaged, {hit} faults: {faults:?}")
    }
}
