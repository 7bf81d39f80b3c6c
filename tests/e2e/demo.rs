//! The demo keeps working.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use v6tun_tests::turtle_site::{DANCES, KEEPS_STILL};

#[test]
fn the_demo_shows_two_commands_and_the_turtle_dance_in_under_30_seconds() -> Result<()> {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let still = said.find(KEEPS_STILL);
    let dances = said.find(DANCES);
    ensure!(still.is_some() && still < dances, "{said}");
    for typed in ["vps$ v6tun-server up\n", "pc$ v6tun-client up v6tun1:", "laptop$ v6tun-client up v6tun1:"]
    {
        ensure!(said.contains(typed), "nobody types {typed:?}: {said}");
    }
    ensure!(said.contains("revoked") && said.contains("no difference"), "{said}");
    ensure!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    Ok(())
}
