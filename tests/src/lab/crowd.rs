//! Many PCs at the carrier's gateway, each behind its NAT, and all of them clients of the one server.

use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::namespace::ip_batch;
use super::{Lab, Namespace, topology, wait_for};
use crate::product::{Deployment, Installation, client_toml, server_toml};

/// The PCs and what is installed on them.
#[derive(Debug)]
pub struct Crowd {
    /// One client on each.
    pub clients: Vec<Installation>,
}

impl Crowd {
    /// Adds `count` PCs (1 to 250) to the lab's home network, and makes them the only clients of the server, which lends
    /// them addresses of `pool` (as it stands in `server.toml`).
    ///
    /// # Errors
    /// The kernel refuses a part, or a file cannot be written.
    pub fn gather(lab: &Lab, deployment: &Deployment, count: u8, pool: &str) -> Result<Self> {
        let machines: Vec<Namespace> =
            (1..=count).map(|number| lab.another(&format!("pc{number}"))).collect();
        topology::make(&machines.iter().collect::<Vec<_>>())?;
        let cables: Vec<String> = (1..=count)
            .zip(&machines)
            .map(|(number, pc)| {
                let (home, name) = (lab.home.name(), pc.name());
                format!("link add name crowd{number} netns {home} type veth peer name eth0 netns {name}")
            })
            .collect();
        ip_batch(&[], &cables.join("\n")).context("cabling")?;
        let ports: Vec<String> =
            (1..=count).map(|number| format!("link set dev crowd{number} master lan up")).collect();
        lab.home.ip(&ports.join("\n"))?;
        let mut clients = Vec::new();
        for (number, pc) in (1..=count).zip(&machines) {
            pc.ip(&format!(
                "address add 192.168.1.{}/24 dev eth0
                 link set dev eth0 up
                 route add default via 192.168.1.1",
                // The router has 1, the two PCs of the drawing 10 and 11.
                if number < 9 { number + 1 } else { number + 3 }
            ))?;
            let client = Installation::new(lab, "v6tun-client", pc)?;
            client.write_config(&client_toml(&deployment.server))?;
            clients.push(client);
        }
        let all: Vec<&Installation> = clients.iter().collect();
        let toml = server_toml(&[], &all).replace("addresses = []", pool);
        deployment.server.write_config(&toml)?;
        Ok(Self { clients })
    }

    /// The address of each client, once all have one.
    ///
    /// # Errors
    /// One of them has none in time.
    pub fn wait_for_addresses(&self, limit: Duration) -> Result<Vec<Ipv6Addr>> {
        let of = |client: &Installation| -> Option<Ipv6Addr> {
            client.status().ok()?["address"].as_str()?.parse().ok()
        };
        self.clients.iter().map(|client| wait_for("a lease", limit, || Ok(of(client)))).collect()
    }
}
