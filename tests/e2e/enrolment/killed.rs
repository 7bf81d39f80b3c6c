//! The server is killed at each file operation of an enrolment, one after the other: afterwards there is the client
//! or there is none, and the same PC's retry succeeds.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use v6tun_tests::lab::fault::{Effect, Fault};
use v6tun_tests::lab::{Lab, Options, VpsShape, wait_until};
use v6tun_tests::product::{FreshServer, Installation};

/// System calls that change a file, or make one durable.
const OPERATIONS: [&str; 14] = [
    "openat",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fchmod",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "unlink",
    "unlinkat",
];
/// Without these an enrolment would not be durable: a run that hit none of one group has looked at the wrong thread.
const DURABLE: [&[&str]; 3] =
    [&["write", "pwrite64", "writev"], &["fsync", "fdatasync"], &["rename", "renameat", "renameat2"]];
/// More than any enrolment has of one kind.
const MOST: u32 = 100;
const LIMIT: Duration = Duration::from_secs(30);
/// How long a datagram and what the client does with it may take.
const ARRIVAL: Duration = Duration::from_millis(500);

/// A server that is started again after each kill, and the PC's machine.
struct Scene<'a> {
    lab: &'a Lab,
    server: FreshServer,
}

impl Scene<'_> {
    /// Enrols a new PC while the server is to be killed at `fault`. Whether it was.
    fn enrol_until(&mut self, fault: &Fault) -> Result<bool> {
        let name = format!("{}-{}", fault.operation, fault.number);
        let invitation = self.server.installation.invite(&name)?;
        let client = self.server.client(self.lab, &self.lab.pc)?;
        let log = self.lab.dir().join("strace.log");
        let mut tracer = fault.arm(&self.lab.vps, &self.server.process, &log)?;
        let mut joining = client.start(&format!("join {invitation}"))?;
        let mut killed = false;
        wait_until("the enrolment to end either way", LIMIT, || {
            killed = !self.server.process.is_running()?;
            Ok(killed || !joining.is_running()?)
        })?;
        // An answer that is on its way arrives.
        let _ = joining.wait(ARRIVAL);
        let is_acknowledged = !joining.is_running()? && client.config().exists();
        drop(joining);
        if !killed {
            // The fault may yet come, at a later operation than the enrolment's: a server that is gone is safe from it.
            self.server.process.kill()?;
        }
        tracer.wait(LIMIT)?;
        self.server.process = self.server.installation.start("up -q")?;
        self.server.process.wait_for_line("v6tun-server: up", LIMIT)?;
        ensure!(!is_acknowledged || self.keys_of(&name)?.len() == 1, "it was told so, and is no client");
        self.assert_whole(&name, &client, &invitation)?;
        Ok(killed)
    }

    /// There is the client or there is none; after a retry there is, with the key that the PC made at first.
    fn assert_whole(&self, name: &str, client: &Installation, invitation: &str) -> Result<()> {
        let known = self.keys_of(name)?;
        let key = client.read_public_key().ok().map(|key| key.to_string());
        ensure!(
            known.len() <= 1 && known.iter().all(|known| Some(known) == key.as_ref()),
            "{known:?}, {key:?}"
        );
        let retried = client.join(invitation)?;
        ensure!(retried.success(), "the retry: {retried:?}");
        let own = client.read_public_key()?.to_string();
        ensure!(key.is_none_or(|key| key == own), "the PC made another key");
        assert_eq!(self.keys_of(name)?, [own]);
        self.assert_no_address_twice()
    }

    fn keys_of(&self, name: &str) -> Result<Vec<String>> {
        let clients = self.server.installation.clients()?;
        let named = clients.iter().filter(|client| client["name"] == name);
        named.map(|client| Ok(client["public-key"].as_str().context("a key")?.to_owned())).collect()
    }

    fn assert_no_address_twice(&self) -> Result<()> {
        let clients = self.server.installation.clients()?;
        let mut addresses: Vec<&str> =
            clients.iter().filter_map(|client| client["address"].as_str()).collect();
        addresses.sort_unstable();
        ensure!(addresses.windows(2).all(|pair| pair[0] != pair[1]), "{addresses:?}");
        Ok(())
    }

    /// Goes through every `operation` of an enrolment, and returns how many there were.
    fn kill_at_each(&mut self, operation: &'static str) -> Result<u32> {
        for number in 1..=MOST {
            let fault = Fault {
                operation: operation.to_owned(),
                number,
                last: number,
                effect: Effect::Kill,
                files: Vec::new(),
            };
            let killed = self.enrol_until(&fault).with_context(|| format!("{fault:?}"))?;
            if !killed {
                return Ok(number - 1);
            }
        }
        bail!("more than {MOST} × {operation} in one enrolment")
    }
}

#[test]
fn killed_at_any_file_operation_of_an_enrolment_the_server_has_the_client_or_has_it_not() -> Result<()> {
    Lab::run(&Options::with_vps(VpsShape::OneOnLink), |lab| {
        let mut scene = Scene { lab, server: FreshServer::up_with(lab, "up -q")? };
        let mut hits = Vec::new();
        for operation in OPERATIONS {
            hits.push((operation, scene.kill_at_each(operation)?));
        }
        println!("kills by operation: {hits:?}");
        for group in DURABLE {
            let hit = hits.iter().any(|(operation, count)| group.contains(operation) && *count > 0);
            ensure!(hit, "none of {group:?} was hit: {hits:?}");
        }
        Ok(())
    })
}
