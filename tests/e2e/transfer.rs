//! Bytes through the tunnel that have to arrive as they were sent.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::{SITE_IPV6, leasable};

use crate::tools::connection;

/// No transfer stands still for so long.
const STALLED: Duration = Duration::from_secs(180);

/// Sends so many random bytes through the tunnel, in each direction, and compares their hashes.
pub(crate) fn must_arrive(lab: &Lab, kibibytes: usize, seed: u64) -> Result<()> {
    for (port, (from, to, address)) in
        (7000..).zip([(&lab.pc, &lab.site, SITE_IPV6), (&lab.site, &lab.pc, leasable(0))])
    {
        let (_listener, mut sender, mut receiver) = connection(from, to, address, port)?;
        receiver.set_read_timeout(Some(STALLED))?;
        sender.set_write_timeout(Some(STALLED))?;
        let sent = thread::spawn(move || -> Result<_> {
            let (mut random, mut hash) = (StdRng::seed_from_u64(seed), Sha256::new());
            let mut block = vec![0; 1 << 10];
            for _ in 0..kibibytes {
                random.fill_bytes(&mut block);
                hash.update(&block);
                sender.write_all(&block).context("sending")?;
            }
            sender.shutdown(std::net::Shutdown::Write)?;
            Ok((hash.finalize(), sender))
        });
        let (mut hash, mut total, mut block) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let len = receiver.read(&mut block).with_context(|| format!("after {total} bytes"))?;
            if len == 0 {
                break;
            }
            hash.update(&block[..len]);
            total += len;
        }
        let (sent, _sender) = sent.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        ensure!(total == kibibytes << 10, "{total} bytes arrived");
        ensure!(sent == hash.finalize(), "other bytes arrived than were sent");
    }
    Ok(())
}
