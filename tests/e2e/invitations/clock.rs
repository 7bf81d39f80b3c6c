//! Only the server's clock judges: a PC that is wrong by a day joins and connects all the same.

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Lab;
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::product::{FreshServer, Installation};

use crate::options;
use crate::tools::must_reach;

/// The command line of a subcommand under a wall clock that is off by `shift`. The steady clock runs as it does:
/// that a PC's calendar is wrong moves no timer.
fn at_another_time(client: &Installation, subcommand: &str, shift: &str) -> String {
    format!(
        "env LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1 FAKETIME={shift} FAKETIME_DONT_FAKE_MONOTONIC=1 {}",
        client.command_line(subcommand)
    )
}

#[test]
fn a_clock_that_is_wrong_by_a_day_does_not_matter() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = FreshServer::up(lab)?;
        for (name, shift) in [("early", "-1d"), ("late", "+1d")] {
            assert_wrong(lab, shift)?;
            // Long over by the late PC's clock.
            let invitation = server.installation.invite(&format!("{name} --expires 1h"))?;
            let client = server.client(lab, &lab.pc)?;
            let joined = lab.pc.run(&at_another_time(&client, &format!("join {invitation}"), shift))?;
            ensure!(joined.success(), "{shift}: {joined:?}");
            let mut up = lab.pc.spawn("v6tun-client", &at_another_time(&client, "up", shift))?;
            up.wait_for_line("v6tun-client: up", std::time::Duration::from_secs(15))?;
            must_reach(&lab.pc, SITE_IPV6).context(shift)?;
            client.down()?;
        }
        Ok(())
    })
}

/// The trick works: another program is wrong by a day under it.
fn assert_wrong(lab: &Lab, shift: &str) -> Result<()> {
    let date =
        |prefix: &str| -> Result<i64> { Ok(lab.pc.output(&format!("{prefix}date +%s"))?.trim().parse()?) };
    let prefix = format!("env LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1 FAKETIME={shift} ");
    let off = (date(&prefix)? - date("")?).abs();
    ensure!((86_390..86_410).contains(&off), "off by {off} s under {shift}");
    Ok(())
}
