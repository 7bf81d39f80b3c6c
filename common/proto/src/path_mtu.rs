//! The greatest packet that the path carries, found by asking (RFC 8899), as routers' messages about it are lost in many
//! places and forged in some.
//!
//! A *probe* is as long as the packet that it stands for, must not be fragmented, and is answered by one as long: so one
//! answer proves both directions. Probes go in rounds: several sizes at once, and beside them one so short that it always
//! fits, three times at the most. A size is taken for too long only if the short one was answered.
//!
//! ```text
//!            start                 [ceiling] answered
//!   Nothing --------> [ceiling] -------------------------> Mtu --+
//!                         | not answered                   ^ |   | 5 s after the last proof, a long packet:
//!                         v                                | |   | [the MTU], and a search if that fails
//!                  [well-known sizes] --> [7 in between] --+ +---+
//!                         | not even 1280
//!                         v
//!                      TooSmall        NoAnswer: not even the short probe is answered
//! ```
//!
//! The path is searched again when it may be another, and for a greater MTU ten minutes after the last search.

use crate::limits::{MAX_PROBES, MIN_MTU};
use crate::timer::after;
use std::time::{Duration, Instant};

/// Inner MTUs of paths as there are, ascending: of 1340, 1400, 1454, 1460, 1472, 1480, 1492 and 1500 bytes outside over
/// IPv4 and of 1454 to 1500 over IPv6.
const WELL_KNOWN: [u16; MAX_PROBES] = [MIN_MTU, 1340, 1374, 1394, 1400, 1412, 1420, 1432, 1440];
/// How far the result may be below the truth, in bytes.
const PRECISION: u16 = 8;
/// Sizes between two that are known to fit and not to fit.
const STEPS: u16 = 7;

/// How often an unanswered size is asked for in one round.
const TRIES: u8 = 3;
/// Rounds without any answer before the search ends.
const SILENT_ROUNDS: u8 = 3;
/// The space between two tries while no round-trip time is known.
const SPACING: Duration = Duration::from_millis(250);
const MIN_SPACING: Duration = Duration::from_millis(100);
const MAX_SPACING: Duration = Duration::from_millis(500);
/// What is allowed for beside one and a half round-trip times.
const SLACK: Duration = Duration::from_millis(20);

/// How old the last proof may be when a packet longer than IPv6's minimum is sent.
pub(crate) const CONFIRM_AFTER: Duration = Duration::from_secs(5);
/// When a greater MTU is looked for: RFC 8899's PMTU_RAISE_TIMER.
const RAISE_AFTER: Duration = Duration::from_secs(600);

/// The length of the probe that always fits: of none but its message.
pub(crate) const SHORT: u16 = 0;

/// What is known of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet: only what every path carries is sent.
    Nothing,
    /// The greatest packet that arrives, in bytes.
    Mtu(u16),
    /// Not even 1280 bytes arrive in one piece: datagrams have to be fragmented.
    TooSmall,
    /// The other end does not know probes: what the links allow is sent, and may be fragmented.
    NoAnswer,
}

/// The search, and its result.
#[derive(Debug)]
pub(crate) struct PathMtu {
    ceiling: u16,
    found: Found,
    round: Option<Round>,
    /// When the MTU in force was last proved.
    confirmed_at: Option<Instant>,
    /// When the last search ended.
    searched_at: Option<Instant>,
    rtt: Option<Duration>,
}

/// Several sizes that are asked for together.
#[derive(Debug)]
struct Round {
    aim: Aim,
    /// Ascending.
    sizes: Vec<u16>,
    /// The greatest that was answered.
    carried: u16,
    is_heard: bool,
    tries: u8,
    silent_rounds: u8,
    next_at: Instant,
    sent: Vec<Probe>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// The greatest that fits is between these: one that does (0: none yet) and one that does not.
    Search { carried: u16, refused: u16 },
    /// Does the MTU in force still fit?
    Confirm,
    /// The other end is to know the result.
    Tell,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    id: u32,
    size: u16,
    at: Instant,
}

impl PathMtu {
    /// Nothing is known. `ceiling` is what the own link leaves of a packet, 1280 bytes at the least.
    pub(crate) fn new(ceiling: u16) -> Self {
        Self {
            ceiling: ceiling.max(MIN_MTU),
            found: Found::Nothing,
            round: None,
            confirmed_at: None,
            searched_at: None,
            rtt: None,
        }
    }

    /// The other end cannot be asked.
    pub(crate) fn unmeasured(ceiling: u16) -> Self {
        Self { found: Found::NoAnswer, ..Self::new(ceiling) }
    }

    pub(crate) fn found(&self) -> Found {
        self.found
    }

    /// The greatest packet to send, in bytes.
    pub(crate) fn mtu(&self) -> u16 {
        match self.found {
            Found::Nothing | Found::TooSmall => MIN_MTU,
            Found::Mtu(mtu) => mtu,
            Found::NoAnswer => self.ceiling,
        }
    }

    /// The MTU that was measured, if one was. Fragments are not needed then.
    pub(crate) fn measured(&self) -> Option<u16> {
        match self.found {
            Found::Mtu(mtu) => Some(mtu),
            Found::Nothing | Found::TooSmall | Found::NoAnswer => None,
        }
    }

    /// The own link leaves another length than before.
    pub(crate) fn set_ceiling(&mut self, ceiling: u16) {
        self.ceiling = ceiling.max(MIN_MTU);
        if let Found::Mtu(mtu) = self.found {
            self.found = Found::Mtu(mtu.min(self.ceiling));
        }
    }

    /// The path may be another than before. What was found stays in force until the end of the search.
    pub(crate) fn start(&mut self, now: Instant) {
        let aim = Aim::Search { carried: 0, refused: self.ceiling.saturating_add(1) };
        self.round = Some(Round::new(aim, vec![self.ceiling], now));
    }

    /// Nothing can be sent at the moment.
    pub(crate) fn stop(&mut self) {
        self.round = None;
    }

    /// A packet of that length was sent. What is due for that reason is due at once.
    pub(crate) fn packet_sent(&mut self, len: usize, now: Instant) {
        if self.round.is_some() {
            return;
        }
        if len > usize::from(MIN_MTU) {
            self.doubt(now);
        }
        let may_be_greater = self.found != Found::Mtu(self.ceiling) && self.found != Found::Nothing;
        let is_due = self.searched_at.is_some() && is_over(self.searched_at, RAISE_AFTER, now);
        if self.round.is_none() && may_be_greater && is_due {
            self.start(now);
        }
    }

    /// The other end sends long packets, or we do: do they arrive?
    pub(crate) fn doubt(&mut self, now: Instant) {
        if let Found::Mtu(mtu) = self.found
            && self.round.is_none()
            && is_over(self.confirmed_at, CONFIRM_AFTER, now)
        {
            self.round = Some(Round::new(Aim::Confirm, vec![mtu], now));
        }
    }

    /// When [`Self::poll`] has something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.round.as_ref().map(|round| round.next_at)
    }

    /// The sizes to be asked for now, each to be reported by [`Self::sent`]. [`SHORT`] is one of them.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<u16> {
        if self.round.as_ref().is_some_and(|round| now >= round.next_at && round.tries >= TRIES) {
            self.conclude(now);
        }
        let spacing = self.spacing();
        let Some(round) = self.round.as_mut().filter(|round| now >= round.next_at) else { return Vec::new() };
        round.tries = round.tries.saturating_add(1);
        round.next_at = after(now, spacing);
        let short = (!round.is_heard).then_some(SHORT);
        let long = round.sizes.iter().copied().filter(|size| *size > round.carried);
        short.into_iter().chain(long).collect()
    }

    /// A probe left with that id.
    pub(crate) fn sent(&mut self, id: u32, size: u16, now: Instant) {
        if let Some(round) = &mut self.round {
            round.sent.push(Probe { id, size, at: now });
        }
    }

    /// An answer of `len` bytes to the probe with that id has come; false where there is no such probe.
    pub(crate) fn answered(&mut self, id: u32, len: usize, now: Instant) -> bool {
        let Some(round) = &mut self.round else { return false };
        let Some(place) = round.sent.iter().position(|probe| probe.id == id) else { return false };
        let Probe { size, at, .. } = round.sent.swap_remove(place);
        self.rtt = Some(now.saturating_duration_since(at));
        round.is_heard = true;
        if len >= usize::from(size) {
            round.carried = round.carried.max(size);
        }
        if round.sizes.iter().all(|size| *size <= round.carried) {
            self.conclude(now);
        }
        true
    }

    fn spacing(&self) -> Duration {
        let wait = |rtt: Duration| rtt.saturating_mul(3).checked_div(2).unwrap_or(rtt).saturating_add(SLACK);
        self.rtt.map_or(SPACING, |rtt| wait(rtt).clamp(MIN_SPACING, MAX_SPACING))
    }

    /// A round is over.
    fn conclude(&mut self, now: Instant) {
        let Some(round) = self.round.take() else { return };
        if !round.is_heard {
            self.silence(round, now);
            return;
        }
        let fits = round.sizes.iter().all(|size| *size <= round.carried);
        match round.aim {
            Aim::Tell => {}
            Aim::Confirm if fits => self.confirmed_at = Some(now),
            Aim::Confirm => self.start(now),
            Aim::Search { carried, refused } => {
                let carried = carried.max(round.carried);
                let too_long = round.sizes.iter().copied().find(|size| *size > carried);
                self.narrow(carried, too_long.unwrap_or(refused).min(refused), now);
            }
        }
    }

    /// Goes on with sizes in between, or ends the search.
    fn narrow(&mut self, carried: u16, refused: u16, now: Instant) {
        let sizes = sizes_between(carried, refused);
        if sizes.is_empty() {
            self.found = if carried == 0 { Found::TooSmall } else { Found::Mtu(carried) };
            (self.searched_at, self.confirmed_at) = (Some(now), Some(now));
            self.round = Some(Round::new(Aim::Tell, Vec::new(), now));
        } else {
            self.round = Some(Round::new(Aim::Search { carried, refused }, sizes, now));
        }
    }

    /// Nothing was answered, so nothing is known: the path is dead, or the other end does not know probes.
    fn silence(&mut self, round: Round, now: Instant) {
        let silent_rounds = round.silent_rounds.saturating_add(1);
        if silent_rounds < SILENT_ROUNDS {
            self.round = Some(Round { silent_rounds, ..Round::new(round.aim, round.sizes, now) });
            return;
        }
        self.confirmed_at = Some(now);
        if self.found == Found::Nothing {
            (self.found, self.searched_at) = (Found::NoAnswer, Some(now));
        }
    }
}

impl Round {
    /// Due at once.
    fn new(aim: Aim, sizes: Vec<u16>, now: Instant) -> Self {
        Self {
            aim,
            sizes,
            carried: 0,
            is_heard: false,
            tries: 0,
            silent_rounds: 0,
            next_at: now,
            sent: Vec::new(),
        }
    }
}

fn is_over(since: Option<Instant>, wait: Duration, now: Instant) -> bool {
    since.is_none_or(|since| now.saturating_duration_since(since) >= wait)
}

/// What to ask for next; nothing where the answer is known.
fn sizes_between(carried: u16, refused: u16) -> Vec<u16> {
    let known: Vec<u16> = WELL_KNOWN
        .iter()
        .copied()
        .filter(|size| (carried.saturating_add(1)..refused).contains(size))
        .collect();
    let gap = refused.saturating_sub(carried);
    if carried > 0 && gap <= PRECISION {
        return Vec::new();
    }
    if !known.is_empty() || carried == 0 {
        return known;
    }
    let part = |step: u16| gap.saturating_mul(step).checked_div(STEPS.saturating_add(1)).unwrap_or(0);
    (1..=STEPS).map(|step| carried.saturating_add(part(step))).collect()
}

#[cfg(test)]
mod tests;
