//! A server whose disk is full enrols nobody, says why, and serves those whom it has.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::SITE_IPV6;
use v6tun_tests::lab::{Lab, Process};
use v6tun_tests::product::Installation;

use super::new_public_key;
use crate::options;
use crate::tools::{must_reach, ping};

/// Enough for the state of a few clients and the journal.
const DISK: &str = "256k";

/// The server, with its state on a disk of its own: mounted where only it sees it, and gone with it.
fn start_on_a_small_disk(server: &Installation) -> Result<Process> {
    let script = server.dir().join("small-disk.sh");
    let state = server.dir().join("state");
    let lines = format!(
        "mount -t tmpfs -o size={DISK},mode=0700 tmpfs {}\nexec {}\n",
        state.display(),
        server.command_line("up")
    );
    fs::write(&script, lines).context("a script")?;
    let command = format!("unshare --mount sh -e {}", script.display());
    let mut process = server.host().spawn("v6tun-server", &command)?;
    process.wait_for_line("v6tun-server: up", Duration::from_secs(15))?;
    Ok(process)
}

/// A file of the server's disk, as seen from outside.
fn on_the_disk(server: &Installation, process: &Process, name: &str) -> PathBuf {
    let state = server.dir().join("state");
    let inside = state.strip_prefix("/").unwrap_or(&state);
    PathBuf::from(format!("/proc/{}/root", process.id())).join(inside).join(name)
}

/// Writes until nothing more goes.
fn fill(path: &PathBuf) -> Result<()> {
    let error = fs::write(path, vec![0; 1 << 20]).err().context("the disk took a megabyte")?;
    ensure!(error.kind() == std::io::ErrorKind::StorageFull, "{error}");
    Ok(())
}

#[test]
fn a_full_disk_refuses_enrolment_with_the_reason_and_disturbs_nobody() -> Result<()> {
    Lab::run(&options(), |lab| {
        let server = Installation::bare(lab, "v6tun-server", &lab.vps)?;
        let mut process = start_on_a_small_disk(&server)?;
        let first = server.invitation_line(&mut process)?;
        let second = server.invite("laptop")?;
        let _connected = Installation::bare(lab, "v6tun-client", &lab.pc)?.up_with(&first)?;
        let before = server.clients()?;
        let filler = on_the_disk(&server, &process, "filler");
        fill(&filler)?;

        let laptop = Installation::bare(lab, "v6tun-client", &lab.laptop)?;
        let mut undisturbed = lab.pc.spawn("ping", &format!("ping -n -q -i 0.02 -W 2 {SITE_IPV6}"))?;
        let refused = laptop.join(&second)?;
        ensure!(refused.code == Some(1) && refused.stderr.contains("hint: "), "{refused:?}");
        ensure!(refused.stderr.contains("cannot write"), "{refused:?}");
        ensure!(process.stderr().contains("No space left on device"), "{}", process.stderr());
        let added = server.run(&format!("client add tv --public-key {}", new_public_key()?))?;
        ensure!(added.code == Some(1) && added.stderr.contains("No space left on device"), "{added:?}");
        assert_eq!(server.clients()?, before);
        assert_eq!(ping(&lab.pc, SITE_IPV6, 50, 0.02)?.lost, 0);
        undisturbed.signal(rustix::process::Signal::INT)?;
        undisturbed.wait(Duration::from_secs(5))?;
        ensure!(undisturbed.stdout().contains(" 0% packet loss"), "{}", undisturbed.stdout());

        fs::remove_file(&filler)?;
        let _connected = laptop.up_with(&second)?;
        must_reach(&lab.laptop, SITE_IPV6)
    })
}
