//! The measurements: each brings figures for rows of the table.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use v6tun_tests::iperf::{self, Direction};
use v6tun_tests::lab::straight_line::{SITE, StraightLine};
use v6tun_tests::lab::{first_answers, wait_for, wait_until};

use crate::contender::{Contender, End};
use crate::figures::{Figures, Row};
use crate::usage::{peak_mib_of, seconds_of, seconds_of_all};

const ECHO_PORT: u16 = 7700;
const COUNT_PORT: u16 = 7801;
/// How long one trial of datagrams takes.
const TRIAL: f64 = 1.5;
/// Trials at the most in the search for the rate at which less than one in a hundred is lost.
const TRIALS: usize = 9;
const LOSS: f64 = 0.01;
/// How close the search comes.
const CLOSE: f64 = 1.03;
/// How long a pc is silent that is to be reached again, how often it is pinged then, and for how long.
const RESTART_SILENCE: Duration = Duration::from_secs(30);
const RESTART_INTERVAL: Duration = Duration::from_millis(10);
const RESTART_LIMIT: Duration = Duration::from_secs(240);

/// What of the measurements is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Test {
    /// From the start of the client's process to its first answer
    First,
    /// Round trips without other traffic
    Rtt,
    /// One TCP stream each way, with round trips beside it
    Tcp,
    /// Four TCP streams from the pc
    Tcp4,
    /// Datagrams of 1200 and of 64 bytes, at less than 1 % lost
    Udp,
    /// From the start of a VPS's program that was killed to the first answer of a silent pc: minutes with some
    Restart,
}

impl Test {
    /// Those that take seconds.
    pub(crate) const ALL: [Self; 5] = [Self::First, Self::Rtt, Self::Tcp, Self::Tcp4, Self::Udp];
}

/// Measures one contender once.
pub(crate) fn measure(
    line: &StraightLine,
    contender: &dyn Contender,
    tests: &[Test],
    seconds: u32,
    figures: &mut Figures,
) -> Result<()> {
    let vps = contender.start_vps()?;
    // The path without a tunnel has no program to start.
    let is_program = vps.process_id().is_some();
    let pc = if is_program && tests.contains(&Test::First) {
        let (pc, milliseconds) = first_packet(line, contender)?;
        figures.add(Row::FirstPacket, milliseconds);
        pc
    } else {
        contender.start_pc()?
    };
    wait_until("the site to answer", Duration::from_secs(20), || {
        Ok(line.pc.run(&format!("ping -n -c 1 -W 1 {SITE}"))?.success())
    })?;
    let way = Way { line, ends: [pc.as_ref(), vps.as_ref()], seconds };
    for test in tests {
        match test {
            Test::First | Test::Restart => {}
            Test::Rtt => way.round_trips(figures)?,
            Test::Tcp => {
                way.tcp(Direction::Up, 1, figures)?;
                way.tcp(Direction::Down, 1, figures)?;
            }
            Test::Tcp4 => way.tcp(Direction::Up, 4, figures)?,
            Test::Udp => {
                way.datagrams(1200, Row::Datagrams1200, figures)?;
                way.datagrams(64, Row::Datagrams64, figures)?;
            }
        }
    }
    way.memory(figures)?;
    let vps = match vps.process_id().filter(|_| tests.contains(&Test::Restart)) {
        Some(id) => restart(line, contender, (vps, id), figures)?,
        None => vps,
    };
    pc.stop()?;
    vps.stop()
}

/// Kills the VPS's program and starts it anew, and says how many milliseconds later the pc, which has nothing to say, can be
/// reached.
fn restart<'c>(
    line: &StraightLine,
    contender: &'c dyn Contender,
    (vps, id): (Box<dyn End + 'c>, u32),
    figures: &mut Figures,
) -> Result<Box<dyn End + 'c>> {
    let route = line.pc.output(&format!("ip -6 route get {SITE}"))?;
    let own = route.split_whitespace().skip_while(|word| *word != "src").nth(1);
    let address: Ipv6Addr = own.with_context(|| route.clone())?.parse()?;
    // A pc that has said something lately would soon miss an answer, and find out by itself.
    std::thread::sleep(RESTART_SILENCE);
    let id = Pid::from_raw(id.try_into()?).context("a process id")?;
    kill_process(id, Signal::KILL)?;
    // What has been killed cannot be taken down any more; what it has left is the next one's to mend.
    let _killed = vps.stop();
    let vps = contender.start_vps()?;
    let answers = first_answers(&line.site, &[address], Instant::now(), RESTART_INTERVAL, RESTART_LIMIT)?;
    let after = answers.first().copied().flatten().unwrap_or(RESTART_LIMIT);
    figures.add(Row::Restart, after.as_secs_f64() * 1e3);
    Ok(vps)
}

/// Starts the pc's end, and says how many milliseconds later the first echo was there.
fn first_packet<'c>(line: &StraightLine, contender: &'c dyn Contender) -> Result<(Box<dyn End + 'c>, f64)> {
    let traffic = line.helper("traffic")?;
    let _echo = line.site.spawn("echo", &format!("{traffic} echo {ECHO_PORT} --seconds 60"))?;
    wait_until("the echo to listen", Duration::from_secs(5), || {
        Ok(line.site.output(&format!("ss -Hlun sport = :{ECHO_PORT}"))?.contains(":7700"))
    })?;
    let mut asking = line.pc.spawn("first", &format!("{traffic} first [{SITE}]:{ECHO_PORT}"))?;
    wait_until("the first attempt, which finds no way yet", Duration::from_secs(5), || {
        Ok(asking.stderr().contains("asking") || !asking.is_running()?)
    })?;
    let start = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64();
    let pc = contender.start_pc()?;
    let answer = wait_for("an answer", Duration::from_secs(30), || {
        Ok((!asking.is_running()?).then(|| asking.stdout()))
    })?;
    Ok((pc, (number(&answer, "answered")? - start) * 1e3))
}

/// A contender that is up.
struct Way<'a> {
    line: &'a StraightLine,
    ends: [&'a dyn End; 2],
    seconds: u32,
}

impl Way<'_> {
    fn round_trips(&self, figures: &mut Figures) -> Result<()> {
        let said = self.line.pc.output(&format!("ping -n -q -i 0.002 -c 50 {SITE}"))?;
        anyhow::ensure!(said.contains(" 0% packet loss"), "{said}");
        let said = self.line.pc.output(&format!("ping -n -i 0.002 -c 1000 -W 1 {SITE}"))?;
        let trips = round_trip_times(&said);
        figures.add(Row::IdleMedian, percentile(&trips, 0.5) * 1e3);
        figures.add(Row::IdleTail, percentile(&trips, 0.99) * 1e3);
        Ok(())
    }

    fn tcp(&self, direction: Direction, streams: u32, figures: &mut Figures) -> Result<()> {
        let rows = match (direction, streams) {
            (Direction::Up, 1) => TcpRows::UP,
            (Direction::Down, 1) => TcpRows::DOWN,
            _ => TcpRows::FOUR,
        };
        let _server = iperf::serve(&self.line.site)?;
        let (ends, all) = (self.seconds_of_ends()?, seconds_of_all()?);
        let transfer = iperf::start(&self.line.pc, SITE, direction, self.seconds, streams)?;
        // With less than 20 ms in between `ping` waits awake, and takes a fifth of a processor.
        let count = (self.seconds * 40).saturating_sub(60).max(20);
        let pings = format!("ping -n -i 0.025 -c {count} -W 1 {SITE}");
        let mut pinging = self.line.pc.spawn("ping", &pings)?;
        let transfer = transfer.finish()?;
        let (ends_after, all_after) = (self.seconds_of_ends()?, seconds_of_all()?);
        pinging.wait(Duration::from_secs(20))?;
        let gigabytes = transfer.bytes / 1e9;
        figures.add(rows.rate, transfer.bits_per_second / 1e9);
        figures.add(rows.processor, (all_after - all) / gigabytes);
        for ((row, before), after) in rows.ends.into_iter().zip(ends).zip(ends_after) {
            if let (Some(before), Some(after)) = (before, after) {
                figures.add(row, (after - before) / gigabytes);
            }
        }
        let trips = round_trip_times(&pinging.stdout());
        figures.add(rows.median, percentile(&trips, 0.5));
        figures.add(rows.tail, percentile(&trips, 0.99));
        Ok(())
    }

    /// Halves the interval until the rate is found at which as good as all arrive.
    fn datagrams(&self, size: u32, row: Row, figures: &mut Figures) -> Result<()> {
        let flood = self.trial(size, 0)?;
        let (mut good, mut bad) = (None, flood.arrived_in_a_second * 1.3);
        let mut rate = flood.arrived_in_a_second * 0.85;
        for _ in 0..TRIALS {
            let trial = self.trial(size, rate as u32)?;
            if trial.lost < LOSS && trial.sent_in_a_second > rate * 0.97 {
                good = Some(trial.arrived_in_a_second);
                rate = f64::midpoint(rate, bad);
            } else {
                bad = rate;
                rate = good.map_or(rate * 0.8, |good| f64::midpoint(good, rate));
            }
            if good.is_some_and(|good| bad < good * CLOSE) {
                break;
            }
        }
        figures.add(row, good.unwrap_or_default() / 1e3);
        Ok(())
    }

    fn trial(&self, size: u32, rate: u32) -> Result<Trial> {
        let traffic = self.line.helper("traffic")?;
        let receive = format!("{traffic} receive {COUNT_PORT} --seconds {}", TRIAL + 5.0);
        let mut receiving = self.line.site.spawn("receive", &receive)?;
        wait_until("the receiver to listen", Duration::from_secs(5), || {
            Ok(self.line.site.output(&format!("ss -Hlun sport = :{COUNT_PORT}"))?.contains(":7801"))
        })?;
        let to = format!("[{SITE}]:{COUNT_PORT}");
        let sent = self
            .line
            .pc
            .output(&format!("{traffic} send {to} --size {size} --rate {rate} --seconds {TRIAL}"))?;
        receiving.wait(Duration::from_secs(20))?;
        let received = receiving.stdout();
        let (sent, took) = (number(&sent, "sent")?, number(&sent, "seconds")?);
        let arrived = number(&received, "received")?;
        Ok(Trial {
            sent_in_a_second: sent / took,
            arrived_in_a_second: arrived / took,
            lost: 1.0 - arrived / sent.max(1.0),
        })
    }

    fn memory(&self, figures: &mut Figures) -> Result<()> {
        for (row, end) in [Row::MemoryPc, Row::MemoryVps].into_iter().zip(self.ends) {
            if let Some(process) = end.process_id() {
                figures.add(row, peak_mib_of(process)?);
            }
        }
        Ok(())
    }

    fn seconds_of_ends(&self) -> Result<[Option<f64>; 2]> {
        let [pc, vps] = self.ends.map(|end| end.process_id().map(seconds_of).transpose());
        Ok([pc?, vps?])
    }
}

struct Trial {
    sent_in_a_second: f64,
    arrived_in_a_second: f64,
    lost: f64,
}

/// Where the figures of a transfer stand.
struct TcpRows {
    rate: Row,
    processor: Row,
    /// Of the pc's program and of the VPS's.
    ends: [Row; 2],
    median: Row,
    tail: Row,
}

impl TcpRows {
    const UP: Self = Self {
        rate: Row::Up,
        processor: Row::ProcessorUp,
        ends: [Row::ProcessorUpPc, Row::ProcessorUpVps],
        median: Row::LoadedUpMedian,
        tail: Row::LoadedUpTail,
    };
    const DOWN: Self = Self {
        rate: Row::Down,
        processor: Row::ProcessorDown,
        ends: [Row::ProcessorDownPc, Row::ProcessorDownVps],
        median: Row::LoadedDownMedian,
        tail: Row::LoadedDownTail,
    };
    const FOUR: Self = Self {
        rate: Row::UpFour,
        processor: Row::ProcessorFour,
        ends: [Row::ProcessorFourPc, Row::ProcessorFourVps],
        median: Row::LoadedFourMedian,
        tail: Row::LoadedFourTail,
    };
}

fn number(json: &str, name: &str) -> Result<f64> {
    let value: Value = serde_json::from_str(json).with_context(|| json.to_owned())?;
    value[name].as_f64().with_context(|| json.to_owned())
}

/// What `ping` measured, milliseconds.
fn round_trip_times(said: &str) -> Vec<f64> {
    let times = said.split("time=").skip(1);
    times.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
}

fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_read_from_what_ping_says() {
        let said = "64 bytes from 2001:db8::1: icmp_seq=1 ttl=62 time=0.084 ms\nnothing\n\
                    64 bytes from 2001:db8::1: icmp_seq=2 ttl=62 time=12.5 ms\n";
        assert_eq!(round_trip_times(said), [0.084, 12.5]);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5).to_bits(), 101f64.to_bits());
        assert_eq!(percentile(&values, 0.99).to_bits(), 199f64.to_bits());
        assert!(percentile(&[], 0.5).is_nan());
    }
}
