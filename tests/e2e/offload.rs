//! Super-packets change nothing but the speed: what arrives is what was sent, in its order, also where the kernel
//! refuses them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::rngs::SmallRng;
use rand::{RngCore as _, SeedableRng as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::fault::{Effect, Fault};
use v6tun_tests::lab::{Lab, Namespace, Options, Process, send_real_packets, wait_until};
use v6tun_tests::product::{Deployment, Installation};
use v6tun_tests::seed::seed;

use crate::tools::{connection, must_reach};

const GIB: u64 = 1 << 30;
/// Enough for hundreds of super-packets under strace.
const SOME: u64 = 24 << 20;
/// No transfer stands still for so long.
const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 4711;
const COUNT_PORT: u16 = 4712;
const READY_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_gibibyte_arrives_as_it_was_sent_both_ways() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        transfer(&lab.pc, (&lab.site, SITE_IPV6), GIB)?;
        transfer(&lab.site, (&lab.pc, leasable(0)), GIB)
    })
}

#[test]
fn datagrams_keep_their_order_and_come_once_beside_a_transfer() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        let _running = [deployment.server.up()?, deployment.pc.up()?];
        must_reach(&lab.pc, SITE_IPV6)?;
        let ends = [(&lab.pc, &lab.site, SITE_IPV6), (&lab.site, &lab.pc, leasable(0))];
        for (from, to, address) in ends {
            thread::scope(|scope| {
                let beside = scope.spawn(|| transfer(from, (to, address), GIB / 4));
                for (size, rate) in [(1200, 20_000), (64, 20_000), (1392, 0)] {
                    let counted = send_numbered(lab, from, (to, address), size, rate)?;
                    let figure = |name: &str| counted[name].as_u64().with_context(|| counted.to_string());
                    ensure!(figure("received")? > 1000, "{size} bytes: {counted}");
                    ensure!((figure("twice")?, figure("late")?) == (0, 0), "{size} bytes: {counted}");
                }
                beside.join().map_err(|_| anyhow!("the transfer panicked"))?
            })?;
        }
        Ok(())
    })
}

/// A system call of the server that the kernel refuses as one that it does not know, how the first such one looks to
/// strace, and how often it is tried.
struct Refusal {
    operation: &'static str,
    mark: &'static str,
    times: u32,
}

const REFUSALS: [Refusal; 4] = [
    // Virtio headers: the tun is asked for without them afterwards.
    Refusal { operation: "ioctl", mark: "TUNSETIFF", times: 1 },
    // With and without UDP.
    Refusal { operation: "ioctl", mark: "TUNSETOFFLOAD", times: 2 },
    Refusal { operation: "setsockopt", mark: "UDP_GRO", times: 1 },
    Refusal { operation: "setsockopt", mark: "UDP_SEGMENT", times: 1 },
];

#[test]
fn a_kernel_that_refuses_any_kind_of_offload_is_served_without_it() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        for Refusal { operation, mark, times } in REFUSALS {
            let number = number_of(&deployment.server, lab, operation, mark)?;
            let last = number + times - 1;
            let effect = Effect::Unknown;
            let fault = Fault { operation: operation.to_owned(), number, last, effect, files: Vec::new() };
            let log = lab.dir().join(format!("refused-{mark}"));
            works_under(lab, &deployment, &fault.before(&log), &log).with_context(|| mark)?;
        }
        Ok(())
    })
}

#[test]
fn a_device_that_refuses_a_train_of_datagrams_gets_them_one_by_one() -> Result<()> {
    in_lab(|lab| {
        let deployment = Deployment::install(lab)?;
        let log = lab.dir().join("refused-trains");
        // By then a download has begun. The socket's library tries once more by itself, without ECN.
        let inject = "-e trace=sendmsg -e inject=sendmsg:error=EIO:when=60..61";
        let log =
            works_under(lab, &deployment, &format!("strace -f -o {} {inject} --", log.display()), &log)?;
        let trains = |line: &&str| line.contains("cmsg_level=SOL_UDP");
        let (before, after) = log.rsplit_once("(INJECTED)").context("nothing was refused")?;
        let refused = before.lines().last().unwrap_or_default();
        ensure!(trains(&refused), "what was refused is no train: {refused}");
        let later = after.lines().filter(trains).count();
        ensure!(later == 0, "{later} trains after one was refused");
        Ok(())
    })
}

/// Uses both ways while the server runs under these words of strace's, and returns what that saw.
fn works_under(lab: &Lab, deployment: &Deployment, strace: &str, log: &Path) -> Result<String> {
    let server = up_under(&deployment.server, strace)?;
    let client = deployment.pc.up()?;
    transfer(&lab.site, (&lab.pc, leasable(0)), SOME).context("to the pc")?;
    transfer(&lab.pc, (&lab.site, SITE_IPV6), SOME).context("from the pc")?;
    must_reach(&lab.pc, SITE_IPV6)?;
    ensure!(Fault::has_happened(log)?, "it was never refused");
    for (mut process, installation) in [(client, &deployment.pc), (server, &deployment.server)] {
        process.kill()?;
        installation.down()?;
    }
    Ok(fs::read_to_string(log)?)
}

/// Which of the server's system calls of that name is the first one with `mark`.
fn number_of(server: &Installation, lab: &Lab, operation: &str, mark: &str) -> Result<u32> {
    let log = lab.dir().join(format!("seen-{mark}"));
    let strace = format!("strace -f -o {} -e trace={operation} --", log.display());
    let mut process = up_under(server, &strace)?;
    process.kill()?;
    server.down()?;
    let text = fs::read_to_string(&log)?;
    let calls = || text.lines().filter(|line| line.contains(&format!(" {operation}(")));
    let marked = calls().find(|line| line.contains(mark)).with_context(|| format!("no {mark} in {text}"))?;
    // Each thread and each child is counted by itself.
    let thread = marked.split_whitespace().next();
    let own = calls().filter(|line| line.split_whitespace().next() == thread);
    Ok(u32::try_from(own.take_while(|line| *line != marked).count())? + 1)
}

fn up_under(installation: &Installation, strace: &str) -> Result<Process> {
    let command = format!("{strace} {}", installation.command_line("up"));
    let mut process = installation.host().spawn("refused", &command)?;
    process.wait_for_line(&format!("{}: up", installation.program()), READY_LIMIT)?;
    Ok(process)
}

/// A lab whose cables carry real packets.
pub(crate) fn in_lab(test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        send_real_packets(&lab.machines())?;
        test(lab)
    })
}

/// Sends that many random bytes by TCP, and compares the hashes at both ends.
pub(crate) fn transfer(from: &Namespace, (to, address): (&Namespace, Ipv6Addr), bytes: u64) -> Result<()> {
    let (_listener, sending, receiving) = connection(from, to, address, PORT)?;
    let seed = seed()?;
    let (sent, received) = thread::scope(|scope| {
        let sent = scope.spawn(|| send(sending, bytes, seed));
        let received = receive(receiving);
        sent.join().map_err(|_| anyhow!("the sender panicked")).map(|sent| (sent, received))
    })?;
    let (sent, (count, received)) = (sent?, received?);
    ensure!(count == bytes, "{count} of {bytes} bytes arrived");
    ensure!(sent == received, "seed {seed}: what arrived is not what was sent");
    Ok(())
}

type Hash = [u8; 32];

fn send(mut stream: TcpStream, bytes: u64, seed: u64) -> Result<Hash> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut random, mut hash) = (SmallRng::seed_from_u64(seed), Sha256::new());
    let (mut buffer, mut left) = (vec![0; 1 << 18], bytes);
    while left > 0 {
        let len = left.min(buffer.len() as u64);
        let piece = &mut buffer[..usize::try_from(len)?];
        random.fill_bytes(piece);
        hash.update(&*piece);
        stream.write_all(piece).context("sending")?;
        left -= len;
    }
    Ok(hash.finalize().into())
}

fn receive(mut stream: TcpStream) -> Result<(u64, Hash)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut hash, mut count, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        match stream.read(&mut buffer).context("receiving")? {
            0 => return Ok((count, hash.finalize().into())),
            len => {
                hash.update(&buffer[..len]);
                count += len as u64;
            }
        }
    }
}

/// Sends numbered datagrams for two seconds, and returns what the receiver counted.
fn send_numbered(
    lab: &Lab,
    from: &Namespace,
    (to, address): (&Namespace, Ipv6Addr),
    size: u16,
    rate: u32,
) -> Result<Value> {
    let traffic = lab.helper("traffic")?;
    let mut receiver = to.spawn("receive", &format!("{traffic} receive {COUNT_PORT} --seconds 30"))?;
    wait_until("the receiver to listen", Duration::from_secs(5), || {
        Ok(to.output(&format!("ss -Hlun sport = :{COUNT_PORT}"))?.contains(":4712"))
    })?;
    let send = format!("{traffic} send [{address}]:{COUNT_PORT} --size {size} --rate {rate} --seconds 2");
    from.output(&send)?;
    receiver.wait(Duration::from_secs(40))?;
    serde_json::from_str(&receiver.stdout()).with_context(|| receiver.stderr())
}
