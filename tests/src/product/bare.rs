//! Programs that are installed with nothing, as by the README's two commands: they make their own keys and
//! configurations, and what joins them is an invitation.

use std::io::Write as _;
use std::net::Ipv6Addr;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Installation, READY_LIMIT};
use crate::lab::{Finished, Lab, Namespace, Process};

/// How an invitation begins.
const SCHEME: &str = "v6tun1:";

/// A server that found out everything by itself, while it serves.
#[derive(Debug)]
pub struct FreshServer {
    /// Where its files are.
    pub installation: Installation,
    /// The running `up`.
    pub process: Process,
    /// The invitation that its first `up` printed.
    pub invitation: String,
}

impl FreshServer {
    /// Types `v6tun-server up` on the bare VPS of `lab`.
    ///
    /// # Errors
    /// It ended, was not ready in time, or printed no invitation: with all that it said.
    pub fn up(lab: &Lab) -> Result<Self> {
        Self::up_with(lab, "up")
    }

    /// The same with options after `up`.
    ///
    /// # Errors
    /// As [`Self::up`].
    pub fn up_with(lab: &Lab, command: &str) -> Result<Self> {
        let mut installation = Installation::bare(lab, "v6tun-server", &lab.vps)?;
        let mut process = installation.start(command)?;
        process.wait_for_line("v6tun-server: up", READY_LIMIT)?;
        let invitation = installation.invitation_line(&mut process)?;
        installation.public_key = Some(installation.read_public_key()?.to_string());
        Ok(Self { installation, process, invitation })
    }

    /// A bare client on `host`.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn client(&self, lab: &Lab, host: &Namespace) -> Result<Installation> {
        Installation::bare(lab, "v6tun-client", host)
    }

    /// A client on `host` that joins as `name` and is up.
    ///
    /// # Errors
    /// What refused.
    pub fn enrol(&self, lab: &Lab, host: &Namespace, name: &str) -> Result<(Installation, Process)> {
        let client = self.client(lab, host)?;
        let process = client.up_with(&self.installation.invite(name)?)?;
        Ok((client, process))
    }
}

impl Installation {
    /// Makes the folders of `program` on `host`, with neither key nor configuration.
    ///
    /// A server uses the host's `/etc/v6tun`, as one that is told nothing must. Clients, of which a host may have
    /// many, are told of a folder of their own that is still to be made.
    ///
    /// # Errors
    /// The programs are not built, or a folder cannot be made.
    pub fn bare(lab: &Lab, program: &str, host: &Namespace) -> Result<Self> {
        let mut installation = Self::without_files(lab, program, host)?;
        let stem = program.trim_start_matches("v6tun-");
        installation.is_told_its_config = stem != "server";
        let etc =
            if installation.is_told_its_config { installation.dir.join("etc") } else { host.etc_v6tun() };
        installation.config = etc.join(format!("{stem}.toml"));
        installation.key = etc.join(format!("{stem}.key"));
        Ok(installation)
    }

    /// The invitation that the first `up` of a fresh server prints on standard output.
    ///
    /// # Errors
    /// It did not.
    pub fn invitation_line(&self, process: &mut Process) -> Result<String> {
        let line = process.wait_for_line(&format!("v6tun-client up {SCHEME}"), READY_LIMIT)?;
        invitation_in(&line)
    }

    /// Has the server make an invitation for `name`, with the options that follow it.
    ///
    /// # Errors
    /// What it said when it refused.
    pub fn invite(&self, name_and_options: &str) -> Result<String> {
        let finished = self.run(&format!("invite {name_and_options}"))?;
        ensure!(finished.success(), "invite {name_and_options}: {finished:?}");
        invitation_in(&finished.stdout)
    }

    /// Runs `join` with an invitation to its end, whatever that is.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn join(&self, invitation: &str) -> Result<Finished> {
        self.run(&format!("join {invitation}"))
    }

    /// Starts `up` with an invitation, and waits for the ready line.
    ///
    /// # Errors
    /// It ended before, or took too long: with all that it said.
    pub fn up_with(&self, invitation: &str) -> Result<Process> {
        let mut process = self.start(&format!("up {invitation}"))?;
        process.wait_for_line(&format!("{}: up", self.program), READY_LIMIT)?;
        Ok(process)
    }

    /// Starts a subcommand and waits for nothing.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self, subcommand: &str) -> Result<Process> {
        let process = self.host.spawn(&self.program, &self.command_line(subcommand))?;
        // Wine makes a Ctrl-C of it; it knows no other signal.
        Ok(if self.windows.is_some() { process.stopped_by(Signal::INT) } else { process })
    }

    /// Runs a subcommand to its end with `input` on its standard input.
    ///
    /// # Errors
    /// The program cannot be started, or reads nothing.
    pub fn run_with_input(&self, subcommand: &str, input: &str) -> Result<Finished> {
        let command_line = self.command_line(subcommand);
        let mut command = self.host.command("timeout");
        command.arg("20").args(command_line.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| command_line.clone())?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output().context(command_line)?.into())
    }

    /// Runs a subcommand that must succeed, and returns its standard output.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn must(&self, subcommand: &str) -> Result<String> {
        let finished = self.run(subcommand)?;
        ensure!(finished.success(), "{} {subcommand}: {finished:?}", self.program);
        Ok(finished.stdout)
    }

    /// The clients that the server knows, running or stopped: what `client list --json` says of each.
    ///
    /// # Errors
    /// It does not run, or its JSON is none.
    pub fn clients(&self) -> Result<Vec<Value>> {
        let list: Value = serde_json::from_str(&self.must("client list --json")?).context("client list")?;
        let clients = list.as_array().or_else(|| list["clients"].as_array());
        Ok(clients.with_context(|| list.to_string())?.clone())
    }

    /// The names of these clients, sorted.
    ///
    /// # Errors
    /// As [`Self::clients`].
    pub fn client_names(&self) -> Result<Vec<String>> {
        let clients = self.clients()?;
        let mut names: Vec<String> =
            clients.iter().filter_map(|client| client["name"].as_str().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// The address of the client of that name, connected or not.
    ///
    /// # Errors
    /// There is none.
    pub fn address_of(&self, name: &str) -> Result<Ipv6Addr> {
        let clients = self.clients()?;
        let client = clients.iter().find(|client| client["name"] == name);
        let address = client.and_then(|client| client["address"].as_str());
        Ok(address.with_context(|| format!("no address of {name} in {clients:?}"))?.parse()?)
    }

    /// The address that a running client has.
    ///
    /// # Errors
    /// It does not run, or has none.
    pub fn address(&self) -> Result<Ipv6Addr> {
        let status = self.status()?;
        let address = status["address"].as_str().with_context(|| format!("no address in {status}"))?;
        address.parse().with_context(|| address.to_owned())
    }
}

/// The invitation in a text that has one.
///
/// # Errors
/// It has none.
pub fn invitation_in(text: &str) -> Result<String> {
    let word = text.split_whitespace().find(|word| word.starts_with(SCHEME));
    Ok(word.with_context(|| format!("no invitation in {text:?}"))?.to_owned())
}
