//! The scenes, in the article's order.

use std::time::Duration;

use anyhow::{Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV4, SITE_IPV6, SITE_NAME, VPS_IPV4};
use v6tun_tests::lab::{Lab, Options, Process, Snapshot, System, wait_until};
use v6tun_tests::product::{FreshServer, Installation, invitation_in};
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

use crate::narrator::Narrator;

/// How long a program may take to end, or to notice what befell it.
const LIMIT: Duration = Duration::from_secs(10);

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
pub(crate) fn play(narrator: &mut Narrator, pc: System) -> Result<()> {
    narrator.scene("The network of the article, in network namespaces of this machine");
    let lab = Lab::build_with(&Options { pc, ..Options::default() })?;
    narrator.quote(NETWORK);
    let before = Snapshot::take(&lab.vps)?;
    lab.narrate_failure(|| {
        show_ipv4_only(narrator, &lab)?;
        let server = start_server(narrator, &lab)?;
        let pc = start_client(narrator, &lab, &server)?;
        show_ipv6(narrator, &lab)?;
        show_dance(narrator, &lab)?;
        show_way_in(narrator, &lab, &pc.0)?;
        show_second_pc(narrator, &lab, &server)?;
        take_down(narrator, [pc, (server.installation, server.process)])?;
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

fn start_server(narrator: &mut Narrator, lab: &Lab) -> Result<FreshServer> {
    narrator.scene("One command on the VPS: it looks around, writes its configuration, serves and invites");
    let server = FreshServer::up(lab)?;
    narrator.prompt(&lab.vps, "v6tun-server up");
    narrator.quote(&server.process.stdout());
    narrator.say("Each change to the VPS is said as the command that it equals:");
    narrator.quote_log(&server.process.stderr());
    Ok(server)
}

fn start_client(narrator: &mut Narrator, lab: &Lab, server: &FreshServer) -> Result<(Installation, Process)> {
    narrator.scene("The line that it printed, pasted on the PC: it makes its key, enrols and connects");
    let said_before = server.process.stderr().len();
    let pc = join(narrator, server.client(lab, &lab.pc)?, &server.invitation)?;
    narrator.say("Meanwhile on the VPS:");
    narrator.quote_log(server.process.stderr().get(said_before..).unwrap_or_default());
    Ok(pc)
}

fn join(narrator: &Narrator, client: Installation, invitation: &str) -> Result<(Installation, Process)> {
    let process = client.up_with(invitation)?;
    narrator.prompt_of(&client, &format!("up {invitation}"));
    narrator.quote_log(&process.stderr());
    narrator.quote(&process.stdout());
    Ok((client, process))
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

fn show_way_in(narrator: &mut Narrator, lab: &Lab, client: &Installation) -> Result<()> {
    let pc = client.address()?;
    if client.windows().is_some() {
        narrator.scene(
            "From outside: the PC is reachable; its firewall lets echoes in, and what its owner lists",
        );
        let ping = narrator.run(&lab.site, &format!("ping -n -q -c 3 -i 0.2 {pc}"))?;
        ensure!(ping.contains(" 0% packet loss"), "the site does not reach the PC");
        return Ok(());
    }
    narrator.scene("From outside: the PC is reachable, so it can have a turtle of its own");
    let _server = lab.pc.spawn("turtle-site", &format!("{} --port 8080", lab.helper("turtle-site")?))?;
    narrator.prompt(&lab.pc, "turtle-site --port 8080 &");
    wait_until("the PC to listen", LIMIT, || Ok(!lab.pc.output("ss -Htln sport = :8080")?.is_empty()))?;
    let page = narrator.run(&lab.site, &format!("curl -sS -m 5 http://[{pc}]:8080/"))?;
    ensure!(page.contains(&SITE_IPV6.to_string()), "the site does not reach the PC");
    Ok(())
}

fn show_second_pc(narrator: &mut Narrator, lab: &Lab, server: &FreshServer) -> Result<()> {
    narrator.scene("A second PC joins the running server, and is revoked");
    let vps = &server.installation;
    let invitation = invitation_in(&narrator.order(vps, "invite laptop")?)?;
    let (laptop, mut process) = join(narrator, server.client(lab, &lab.laptop)?, &invitation)?;
    let ping = narrator.run(laptop.host(), &format!("ping -n -q -c 3 -i 0.2 {SITE_IPV6}"))?;
    ensure!(ping.contains(" 0% packet loss"), "the laptop does not reach the site by IPv6");
    narrator.order(vps, "client list")?;
    let said_before = process.stderr().len();
    narrator.order(vps, "client revoke laptop")?;
    wait_until("the laptop to notice", LIMIT, || Ok(process.stderr().contains("hint: ")))?;
    narrator.say("Meanwhile on the laptop:");
    narrator.quote_log(process.stderr().get(said_before..).unwrap_or_default());
    process.stop()?;
    Ok(())
}

fn take_down(narrator: &mut Narrator, running: [(Installation, Process); 2]) -> Result<()> {
    narrator.scene("Down");
    for (installation, mut process) in running {
        let said_before = process.stderr().len();
        narrator.prompt_of(&installation, "down");
        installation.down()?;
        process.wait(LIMIT)?;
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
