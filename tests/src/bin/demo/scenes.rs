//! The scenes, in the article's order.

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV4, SITE_IPV6, SITE_NAME, VPS_IPV4, leasable};
use v6tun_tests::lab::{Lab, Process, Snapshot, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

use crate::narrator::Narrator;

const NETWORK: &str = r"
    pc -- home router -- carrier's gateway -- provider's router -- site
          (NAT)          (NAT)                      |              www.turtle.example
    192.168.1.10         10.20.0.1                  |              192.0.2.80
    no IPv6                                         |              2001:db8:5::80
                              shared segment -------+------ neighbour
                                    |
                                   vps  203.0.113.233
                                        2001:db8:1301:740:133:0:113:233/128
                                        2001:db8:1301:740:a133:0:113:2330 ... 233f";

/// Plays all the scenes.
pub(crate) fn play(narrator: &mut Narrator) -> Result<()> {
    narrator.scene("The network of the article, in network namespaces of this machine");
    let lab = Lab::build()?;
    narrator.quote(NETWORK);
    let deployment = Deployment::install(&lab)?;
    let before = Snapshot::take(&lab.vps)?;
    lab.narrate_failure(|| {
        show_ipv4_only(narrator, &lab)?;
        let server = start_server(narrator, &deployment)?;
        let client = start_client(narrator, &deployment, &server)?;
        show_ipv6(narrator, &lab)?;
        show_dance(narrator, &lab)?;
        show_way_in(narrator, &lab)?;
        take_down(narrator, &deployment, server, client)?;
        show_nothing_left(narrator, &lab, &before)
    })
}

fn show_ipv4_only(narrator: &mut Narrator, lab: &Lab) -> Result<()> {
    narrator.scene("Before: the PC has IPv4 alone, and the turtle keeps still");
    narrator.run(&lab.pc, &format!("ping -n -q -c 3 -i 0.2 {VPS_IPV4}"))?;
    narrator.run(&lab.pc, &format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?;
    let page = narrator.run(&lab.pc, &format!("curl -sS http://{SITE_NAME}/"))?;
    ensure!(page.contains(KEEPS_STILL), "the turtle does not keep still");
    Ok(())
}

fn start_server(narrator: &mut Narrator, deployment: &Deployment) -> Result<Process> {
    narrator.scene("The server on the VPS: each change is said as the command that it equals");
    let server = deployment.server.up()?;
    narrator.prompt(deployment.server.host(), "v6tun-server up");
    narrator.quote_log(&server.stderr());
    narrator.quote(&server.stdout());
    Ok(server)
}

fn start_client(narrator: &mut Narrator, deployment: &Deployment, server: &Process) -> Result<Process> {
    narrator.scene("The client on the PC: the VPS lends it an address");
    let said_before = server.stderr().len();
    let client = deployment.pc.up()?;
    narrator.prompt(deployment.pc.host(), "v6tun-client up");
    narrator.quote_log(&client.stderr());
    narrator.quote(&client.stdout());
    narrator.say("Meanwhile on the VPS:");
    narrator.quote_log(server.stderr().get(said_before..).unwrap_or_default());
    Ok(client)
}

fn show_ipv6(narrator: &mut Narrator, lab: &Lab) -> Result<()> {
    narrator.scene("After: IPv4 as before, and IPv6 beside it");
    narrator.run(&lab.pc, &format!("ping -n -q -c 3 -i 0.2 {SITE_IPV4}"))?;
    let ping = narrator.run(&lab.pc, &format!("ping -n -q -c 3 -i 0.2 {SITE_IPV6}"))?;
    ensure!(ping.contains(" 0% packet loss"), "the PC does not reach the site by IPv6");
    narrator.run(&lab.pc, &format!("traceroute -n -4 -q 1 {SITE_IPV4}"))?;
    narrator.run(&lab.pc, &format!("traceroute -n -6 -q 1 {SITE_IPV6}"))?;
    Ok(())
}

fn show_dance(narrator: &mut Narrator, lab: &Lab) -> Result<()> {
    narrator.scene("The same page: the turtle dances");
    if narrator.at_terminal() {
        narrator.run_live(&lab.pc, &format!("curl -sSN http://{SITE_NAME}/dance"))?;
    }
    let page = narrator.run(&lab.pc, &format!("curl -sS http://{SITE_NAME}/"))?;
    ensure!(page.contains(DANCES), "the turtle does not dance");
    Ok(())
}

fn show_way_in(narrator: &mut Narrator, lab: &Lab) -> Result<()> {
    narrator.scene("From outside: the PC is reachable, so it can have a turtle of its own");
    let pc = leasable(0);
    let _server = lab.pc.spawn("turtle-site", &format!("{} --port 8080", lab.helper("turtle-site")?))?;
    narrator.prompt(&lab.pc, "turtle-site --port 8080 &");
    wait_until("the PC to listen", std::time::Duration::from_secs(5), || {
        Ok(!lab.pc.output("ss -Htln sport = :8080")?.is_empty())
    })?;
    let page = narrator.run(&lab.site, &format!("curl -sS -m 5 http://[{pc}]:8080/"))?;
    ensure!(page.contains(&SITE_IPV6.to_string()), "the site does not reach the PC");
    Ok(())
}

fn take_down(
    narrator: &mut Narrator,
    deployment: &Deployment,
    server: Process,
    client: Process,
) -> Result<()> {
    narrator.scene("Down");
    for (installation, mut process) in [(&deployment.pc, client), (&deployment.server, server)] {
        let said_before = process.stderr().len();
        narrator.prompt(installation.host(), &format!("{} down", installation.program()));
        installation.down()?;
        process.wait(std::time::Duration::from_secs(10))?;
        narrator.quote_log(process.stderr().get(said_before..).unwrap_or_default());
    }
    Ok(())
}

fn show_nothing_left(narrator: &mut Narrator, lab: &Lab, before: &Snapshot) -> Result<()> {
    narrator.scene("The VPS is as it was found");
    let difference = before.difference(&Snapshot::take(&lab.vps)?);
    ensure!(difference.is_empty(), "the VPS differs:\n{difference}");
    narrator.say(&format!(
        "    {} facts compared (addresses and their order, routes, neighbour proxies, rules, links, nftables,\n    \
         sysctls, the chosen source): no difference.",
        before.facts()
    ));
    Ok(())
}
