#![expect(clippy::disallowed_methods, reason = "tests need a first moment")]
#![expect(clippy::arithmetic_side_effects, reason = "the sums of tests are small")]

use super::*;
use proptest::prelude::*;

/// A path under virtual time: what is longer than `mtu` vanishes, and so does what `loses` says.
struct Path {
    mtu: u16,
    rtt: Duration,
    probes: usize,
    bytes: usize,
    ids: u32,
    now: Instant,
}

impl Path {
    fn of(mtu: u16) -> Self {
        Self { mtu, rtt: Duration::from_millis(20), probes: 0, bytes: 0, ids: 0, now: Instant::now() }
    }

    /// Lets the search run until it has nothing to do; gives the time that it took.
    fn run(&mut self, path_mtu: &mut PathMtu) -> Duration {
        self.run_losing(path_mtu, |_| false)
    }

    fn run_losing(&mut self, path_mtu: &mut PathMtu, mut loses: impl FnMut(usize) -> bool) -> Duration {
        let begin = self.now;
        let mut answers: Vec<(Instant, u32, u16)> = Vec::new();
        loop {
            answers.sort_unstable();
            let arrival = answers.first().map(|answer| answer.0);
            let Some(next) = [arrival, path_mtu.due()].into_iter().flatten().min() else { break };
            self.now = self.now.max(next);
            assert!(self.now - begin < Duration::from_secs(60), "it never ends: {path_mtu:?}");
            if arrival == Some(next) {
                let (at, id, size) = answers.remove(0);
                path_mtu.answered(id, size.into(), at);
                continue;
            }
            for size in path_mtu.poll(self.now) {
                (self.ids, self.probes, self.bytes) =
                    (self.ids + 1, self.probes + 1, self.bytes + usize::from(size));
                path_mtu.sent(self.ids, size, self.now);
                if size <= self.mtu && !loses(self.probes) {
                    answers.push((self.now + self.rtt, self.ids, size));
                }
            }
            if path_mtu.due().is_none() {
                break;
            }
        }
        self.now - begin
    }
}

fn searched(mtu: u16, ceiling: u16) -> (PathMtu, Path, Duration) {
    let (mut path_mtu, mut path) = (PathMtu::new(ceiling), Path::of(mtu));
    path_mtu.start(path.now);
    let time = path.run(&mut path_mtu);
    (path_mtu, path, time)
}

#[test]
fn a_path_that_carries_the_ceiling_is_known_after_one_round_trip_and_told_after_another() {
    let (path_mtu, path, time) = searched(1500, 1440);
    assert_eq!((path_mtu.found(), path_mtu.mtu()), (Found::Mtu(1440), 1440));
    assert_eq!((path.probes, path.bytes, time), (3, 1440, 2 * path.rtt));
}

#[test]
fn well_known_paths_are_found_to_the_byte() {
    // Over IPv4, of 1500, 1492, 1480, 1460, 1454, 1400 and 1340 bytes.
    for mtu in [1440, 1432, 1420, 1400, 1394, 1340, 1280] {
        let (path_mtu, path, time) = searched(mtu, 1440);
        assert_eq!(path_mtu.found(), Found::Mtu(mtu));
        assert!(
            time < Duration::from_millis(2000) && path.bytes < 1 << 16,
            "{mtu}: {time:?}, {} B",
            path.bytes
        );
    }
}

#[test]
fn every_path_is_found_within_eight_bytes_and_never_above_the_truth() {
    for ceiling in [1440, 1420, 1500, 1281] {
        for mtu in 1280..=1500 {
            let (path_mtu, _, time) = searched(mtu, ceiling);
            let truth = mtu.min(ceiling);
            assert!((truth - 7..=truth).contains(&path_mtu.mtu()), "{mtu} of {ceiling}: {path_mtu:?}");
            assert!(time < Duration::from_secs(3), "{mtu} of {ceiling}: {time:?}");
        }
    }
}

#[test]
fn a_path_that_cannot_carry_ipv6_in_one_piece_is_told_from_one_that_is_dead() {
    let (path_mtu, ..) = searched(1279, 1440);
    assert_eq!((path_mtu.found(), path_mtu.mtu(), path_mtu.measured()), (Found::TooSmall, 1280, None));

    let (mut dead, mut path) = (PathMtu::new(1440), Path::of(1500));
    dead.start(path.now);
    path.run_losing(&mut dead, |_| true);
    assert_eq!((dead.found(), dead.mtu(), dead.measured()), (Found::NoAnswer, 1440, None));
}

#[test]
fn what_was_measured_stays_in_force_while_nothing_is_answered() {
    let (mut path_mtu, mut path, _) = searched(1394, 1440);
    path_mtu.start(path.now);
    path.run_losing(&mut path_mtu, |_| true);
    assert_eq!(path_mtu.found(), Found::Mtu(1394));
}

#[test]
fn a_lost_probe_is_not_taken_for_one_that_is_too_long() {
    // The second is the first of the long ones; then its repetition.
    for lost in [[2, 2], [2, 4], [1, 2]] {
        let (mut path_mtu, mut path) = (PathMtu::new(1440), Path::of(1500));
        path_mtu.start(path.now);
        path.run_losing(&mut path_mtu, |probe| lost.contains(&probe));
        assert_eq!(path_mtu.found(), Found::Mtu(1440), "{lost:?}");
    }
}

#[test]
fn long_packets_on_a_path_that_has_shrunk_cause_a_search_and_short_ones_none() {
    let (mut path_mtu, mut path, _) = searched(1500, 1440);
    path.mtu = 1394;
    path.now += CONFIRM_AFTER;
    path_mtu.packet_sent(1280, path.now);
    assert_eq!(path_mtu.due(), None);
    path_mtu.packet_sent(1281, path.now);
    let time = path.run(&mut path_mtu);
    assert_eq!(path_mtu.found(), Found::Mtu(1394));
    assert!(time < Duration::from_secs(2), "{time:?}");
}

#[test]
fn the_mtu_is_proved_every_five_seconds_at_the_most_and_only_with_long_packets() {
    let (mut path_mtu, mut path, _) = searched(1500, 1440);
    let probes = path.probes;
    for _ in 0..1000 {
        path.now += Duration::from_millis(10);
        path_mtu.packet_sent(1440, path.now);
        path.run(&mut path_mtu);
    }
    assert!((1..=2).contains(&((path.probes - probes) / 2)), "{}", path.probes - probes);
    path.now += 100 * CONFIRM_AFTER;
    assert_eq!(path_mtu.due(), None, "an idle tunnel is left alone");
}

#[test]
fn a_greater_mtu_is_looked_for_after_ten_minutes_if_anything_is_sent() {
    let (mut path_mtu, mut path, _) = searched(1394, 1440);
    path.mtu = 1500;
    path.now += RAISE_AFTER / 2;
    path_mtu.packet_sent(100, path.now);
    assert_eq!(path_mtu.due(), None);
    path.now += RAISE_AFTER / 2;
    path_mtu.packet_sent(100, path.now);
    path.run(&mut path_mtu);
    assert_eq!(path_mtu.found(), Found::Mtu(1440));
    path.now += RAISE_AFTER;
    path_mtu.packet_sent(100, path.now);
    assert_eq!(path_mtu.due(), None, "there is nothing above the ceiling");
}

#[test]
fn a_link_that_leaves_less_is_believed_at_once() {
    let (mut path_mtu, mut path, _) = searched(1500, 1440);
    path_mtu.set_ceiling(1400);
    assert_eq!(path_mtu.mtu(), 1400);
    path_mtu.set_ceiling(1440);
    path_mtu.start(path.now);
    path.run(&mut path_mtu);
    assert_eq!(path_mtu.mtu(), 1440);
}

#[test]
fn only_answers_to_what_was_asked_count_and_only_as_long_as_they_are() {
    let (mut path_mtu, path) = (PathMtu::new(1440), Path::of(1500));
    path_mtu.start(path.now);
    let sizes = path_mtu.poll(path.now);
    assert_eq!(sizes, [SHORT, 1440]);
    path_mtu.sent(7, 1440, path.now);
    assert!(!path_mtu.answered(8, 1440, path.now));
    assert!(path_mtu.answered(7, 60, path.now));
    assert_eq!(path_mtu.found(), Found::Nothing);
    assert!(!path_mtu.answered(7, 1440, path.now), "each is answered once");
}

proptest! {
    #[test]
    fn loss_never_makes_it_greater_than_the_path_nor_keeps_it_from_ending(
        mtu in 1280u16..1500, lost in proptest::collection::vec(any::<bool>(), 200),
    ) {
        let (mut path_mtu, mut path) = (PathMtu::new(1440), Path::of(mtu));
        path_mtu.start(path.now);
        path.run_losing(&mut path_mtu, |probe| lost.get(probe).copied().unwrap_or(false));
        prop_assert!(path_mtu.measured().is_none_or(|found| found <= mtu));
    }
}
