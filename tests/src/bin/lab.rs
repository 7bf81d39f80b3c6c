//! Builds the lab and keeps it until standard input ends or Ctrl-C comes, for those who want to look around
//! in it.

use std::io;

use v6tun_tests::lab::Lab;

fn main() -> anyhow::Result<()> {
    let lab = Lab::build()?;
    for machine in lab.machines() {
        println!("{:<10} ip netns exec {} bash", machine.role(), machine.name());
    }
    println!("The lab stands until this input ends (Ctrl-D).");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
