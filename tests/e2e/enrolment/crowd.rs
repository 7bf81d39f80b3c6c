//! Many PCs and one invitation.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Finished, Lab, Options, VpsShape};
use v6tun_tests::product::{FreshServer, Installation};

const USERS: usize = 200;
const AT_A_TIME: usize = 25;

/// The PCs, spread over every machine that has a way to the server: two behind the same two NATs, and others.
fn crowd(lab: &Lab, server: &FreshServer) -> Result<Vec<Installation>> {
    let machines = [&lab.pc, &lab.laptop, &lab.home, &lab.carrier, &lab.neighbour, &lab.site];
    machines.into_iter().cycle().take(USERS).map(|machine| server.client(lab, machine)).collect()
}

/// All of them join, as many at a time as a busy hour brings.
fn join_all(crowd: &[Installation], invitation: &str) -> Result<Vec<Finished>> {
    let next = Mutex::new(crowd.iter());
    let worker = || -> Result<Vec<Finished>> {
        let take = || next.lock().ok().and_then(|mut next| next.next());
        std::iter::from_fn(take).map(|client| client.join(invitation)).collect()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        let mut answers = Vec::new();
        for worker in workers {
            answers.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
        }
        Ok(answers)
    })
}

#[test]
fn two_hundred_uses_of_one_invitation_make_exactly_one_client() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let server = FreshServer::up(lab)?;
        let crowd = crowd(lab, &server)?;
        let start = Instant::now();
        let answers = join_all(&crowd, &server.invitation)?;
        println!("{USERS} uses, {AT_A_TIME} at a time, took {:?}", start.elapsed());

        let joined = answers.iter().filter(|answer| answer.success()).count();
        let refused = answers.iter().filter(|answer| answer.stderr.contains("already used")).count();
        let other = || answers.iter().find(|one| !one.success() && !one.stderr.contains("already used"));
        ensure!(joined == 1 && refused == USERS - 1, "{joined} joined, {refused} refused, and {:?}", other());
        ensure!(answers.iter().all(|answer| matches!(answer.code, Some(0 | 1))), "{answers:?}");

        let clients = server.installation.clients()?;
        ensure!(clients.len() == 1, "{clients:?}");
        let winner =
            crowd.iter().find(|client| client.config().exists()).context("nobody has a configuration")?;
        assert_eq!(clients[0]["public-key"], winner.read_public_key()?.to_string().as_str());
        let _connected = winner.up()?;
        winner.host().output(&format!("ping -n -c 3 -i 0.1 -w 5 {SITE_IPV6}")).map(drop)
    })
}
