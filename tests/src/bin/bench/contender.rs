//! What is compared.

mod stock;
mod v6tun;

use std::path::PathBuf;

use anyhow::Result;
use v6tun_tests::lab::straight_line::StraightLine;

use stock::Stock;
pub(crate) use v6tun::V6tun;

/// A way from the pc to the site.
pub(crate) trait Contender {
    /// As it stands in the table.
    fn name(&self) -> &str;

    /// Starts the end on the VPS, and waits until it serves.
    ///
    /// # Errors
    /// It does not.
    fn start_vps(&self) -> Result<Box<dyn End + '_>>;

    /// Starts the end on the pc, and waits for nothing that it does not need.
    ///
    /// # Errors
    /// It does not start.
    fn start_pc(&self) -> Result<Box<dyn End + '_>>;
}

/// One end of a way that is up.
pub(crate) trait End {
    /// The program that does the work, if there is one.
    fn process_id(&self) -> Option<u32>;

    /// Takes it down, and leaves the machine as it was.
    ///
    /// # Errors
    /// Something is left.
    fn stop(self: Box<Self>) -> Result<()>;
}

/// Programs of others, where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Rivals {
    /// The wireguard-go to compare with
    #[arg(long, value_name = "FILE")]
    wireguard_go: Option<PathBuf>,
    /// The boringtun-cli to compare with
    #[arg(long, value_name = "FILE")]
    boringtun: Option<PathBuf>,
    /// The gotatun to compare with
    #[arg(long, value_name = "FILE")]
    gotatun: Option<PathBuf>,
}

/// The path without a tunnel first, then v6tun, then the others.
pub(crate) fn contenders<'l>(
    line: &'l StraightLine,
    rivals: &Rivals,
) -> Result<Vec<Box<dyn Contender + 'l>>> {
    let mut contenders: Vec<Box<dyn Contender + 'l>> =
        vec![Box::new(Bare(line)), Box::new(V6tun::install(line)?)];
    let known = [
        ("wireguard-go", &rivals.wireguard_go, "-f"),
        ("boringtun-cli", &rivals.boringtun, "--foreground --disable-drop-privileges"),
        ("gotatun", &rivals.gotatun, "--foreground --disable-drop-privileges"),
    ];
    for (name, program, options) in known {
        if let Some(program) = program {
            contenders.push(Box::new(Stock::new(line, name, program, options)?));
        }
    }
    Ok(contenders)
}

/// IPv6 through the router, as if the line had it.
struct Bare<'l>(&'l StraightLine);

/// The router lets it pass.
struct Open<'l>(&'l StraightLine);

/// Nothing runs.
struct Nothing;

impl Contender for Bare<'_> {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn start_vps(&self) -> Result<Box<dyn End + '_>> {
        Ok(Box::new(Nothing))
    }

    fn start_pc(&self) -> Result<Box<dyn End + '_>> {
        self.0.open()?;
        Ok(Box::new(Open(self.0)))
    }
}

impl End for Open<'_> {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.0.close()
    }
}

impl End for Nothing {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
