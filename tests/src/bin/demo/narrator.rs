//! How the demo speaks: numbered scenes, prompts with the machine's name, what the commands said.

use std::io::{IsTerminal as _, stdout};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::Namespace;
use v6tun_tests::product::Installation;

/// What the audience sees.
pub(crate) struct Narrator {
    scene: usize,
    terminal: bool,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        Self { scene: 0, terminal: stdout().is_terminal() }
    }

    /// Whether somebody watches at a terminal, who can be shown moving pictures.
    pub(crate) fn at_terminal(&self) -> bool {
        self.terminal
    }

    /// Opens the next scene.
    pub(crate) fn scene(&mut self, title: &str) {
        self.scene += 1;
        println!("\n{}", self.bold(&format!("{}. {title}", self.scene)));
    }

    /// Says a sentence.
    pub(crate) fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Shows a command as if typed on `host`.
    pub(crate) fn prompt(&self, host: &Namespace, command_line: &str) {
        println!("{}", self.bold(&format!("{}$ {command_line}", host.role())));
    }

    /// Shows a command of an installed program, as if typed where that runs.
    pub(crate) fn prompt_of(&self, installation: &Installation, command: &str) {
        let (role, program) = (installation.host().role(), installation.program());
        let prompt = if installation.windows().is_some() { r" C:\v6tun>" } else { "$ " };
        println!("{}", self.bold(&format!("{role}{prompt}{program} {command}")));
    }

    /// Shows a program's lines, indented.
    pub(crate) fn quote(&self, output: &str) {
        for line in output.lines().filter(|line| !line.trim().is_empty()) {
            println!("    {line}");
        }
    }

    /// Shows a program's log without its time stamps and levels.
    pub(crate) fn quote_log(&self, log: &str) {
        for line in log.lines() {
            let text = line.split_once(" INFO ").map_or(line, |(_time, text)| text.trim_start());
            println!("    {text}");
        }
    }

    /// Types a command, shows what it said, and returns that. A command that must fail is one of the demo's
    /// points too, so the exit code is not judged here.
    pub(crate) fn run(&self, host: &Namespace, command_line: &str) -> Result<String> {
        self.prompt(host, command_line);
        let finished = host.run(command_line)?;
        let said = format!("{}{}", finished.stdout, finished.stderr);
        self.quote(&said);
        Ok(said)
    }

    /// Gives an order to a program that runs already, shows what was said, and returns that.
    pub(crate) fn order(&self, installation: &Installation, subcommand: &str) -> Result<String> {
        self.prompt_of(installation, subcommand);
        let finished = installation.run(subcommand)?;
        self.quote_log(&finished.stderr);
        self.quote(&finished.stdout);
        ensure!(finished.success(), "{} {subcommand}: {finished:?}", installation.program());
        Ok(finished.stdout)
    }

    /// Types a command whose output goes to the terminal as it comes.
    pub(crate) fn run_live(&self, host: &Namespace, command_line: &str) -> Result<()> {
        self.prompt(host, command_line);
        let mut words = command_line.split_whitespace();
        let program = words.next().context("an empty command line")?;
        host.command(program).args(words).stdin(Stdio::null()).status().context("running a command")?;
        Ok(())
    }

    /// Says how long it all took.
    pub(crate) fn close(&self, took: Duration) {
        println!(
            "\n{}",
            self.bold(&format!("The demo took {:.1} s. Nothing of it is left.", took.as_secs_f64()))
        );
    }

    fn bold(&self, text: &str) -> String {
        if self.terminal { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}
