//! The packages that `packaging/build` makes: what is in them, and what they leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, leasable};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::systemd_host::SystemdHost;

use crate::handover::Visit;
use crate::service::{changed, configure};
use crate::tools::must_reach;

const SERVICE: &str = "v6tun-server.service";

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the packages, and returns their paths and bytes.
fn build() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/build");
    let made = output(&script.display().to_string(), &[])?;
    made.lines().map(|path| Ok((PathBuf::from(path), fs::read(path)?))).collect()
}

/// The .deb and the .tar.gz, made once for all tests, in a folder that a later build leaves alone.
fn packages() -> Result<(PathBuf, PathBuf)> {
    static KEPT: OnceLock<Result<(tempfile::TempDir, PathBuf, PathBuf), String>> = OnceLock::new();
    let keep = || -> Result<_> {
        let (first, second) = (build()?, build()?);
        ensure!(first == second, "two runs differ");
        let folder = tempfile::tempdir()?;
        let kept = |ending: &str| -> Result<PathBuf> {
            let found = first.iter().find(|(path, _)| path.to_string_lossy().ends_with(ending));
            let (path, bytes) = found.with_context(|| format!("no {ending} was made"))?;
            let kept = folder.path().join(path.file_name().context("a name")?);
            fs::write(&kept, bytes)?;
            Ok(kept)
        };
        let (deb, tar) = (kept(".deb")?, kept(".tar.gz")?);
        Ok((folder, deb, tar))
    };
    match KEPT.get_or_init(|| keep().map_err(|error| format!("{error:#}"))) {
        Ok((_, deb, tar)) => Ok((deb.clone(), tar.clone())),
        Err(error) => anyhow::bail!("{error}"),
    }
}

/// The package, with a later version.
fn later(deb: &Path, folder: &Path) -> Result<PathBuf> {
    let (tree, later) = (folder.join("tree"), folder.join("later.deb"));
    let (deb, tree_, later_) = (deb.to_string_lossy(), tree.to_string_lossy(), later.to_string_lossy());
    output("dpkg-deb", &["--raw-extract", &deb, &tree_])?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?.replace("\nArchitecture:", "+later\nArchitecture:");
    fs::write(&control, text)?;
    output("dpkg-deb", &["--build", "-Zgzip", "-z1", &tree_, &later_])?;
    Ok(later)
}

#[test]
fn two_runs_make_the_same_bytes_and_all_belongs_to_root() -> Result<()> {
    let (deb, tar) = packages()?;
    let listing = output("dpkg-deb", &["--contents", &deb.to_string_lossy()])?;
    for line in [
        "-rwxr-xr-x root/root",
        "./usr/bin/v6tun-server",
        "./usr/bin/v6tun",
        "./usr/lib/systemd/system/v6tun-server.service",
        "./usr/share/doc/v6tun-server/copyright",
        "./usr/share/doc/v6tun-server/THIRD-PARTY-NOTICES.gz",
    ] {
        ensure!(listing.contains(line), "{line} is missing: {listing}");
    }
    ensure!(listing.lines().all(|line| line.contains(" root/root ")), "{listing}");
    let listing = output("tar", &["--list", "--file", &tar.to_string_lossy()])?;
    for name in
        ["v6tun-server", "v6tun", "v6tun-server.service", "LICENSE-MIT", "LICENSE-APACHE", "README.md"]
    {
        ensure!(listing.lines().any(|line| line.ends_with(&format!("/{name}"))), "{name}: {listing}");
    }
    Ok(())
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged_without_rest() -> Result<()> {
    let (deb, _) = packages()?;
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        let files = machine.files()?;
        let later = later(&deb, lab.dir())?;
        fs::copy(&deb, machine.path("/var/tmp/first.deb"))?;
        fs::copy(&later, machine.path("/var/tmp/later.deb"))?;

        let said = machine.output("dpkg --install /var/tmp/first.deb")?;
        ensure!(said.contains("begin with `sudo v6tun-server up`"), "{said}");
        assert_eq!(machine.main_process(SERVICE)?, 0, "it runs without having been asked to");
        configure(&machine, &deployment)?;
        machine.output(&format!("systemctl enable --now {SERVICE}"))?;
        let _client = deployment.pc.up()?;
        must_reach(&lab.pc, SITE_IPV6)?;

        let mut visit = Visit::begin(lab, leasable(0))?;
        let first = machine.main_process(SERVICE)?;
        machine.output("dpkg --install /var/tmp/later.deb")?;
        ensure!(![0, first].contains(&machine.main_process(SERVICE)?), "the program before still runs");
        wait_until("the client to be back", Duration::from_secs(20), || {
            Ok(lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
        })?;

        visit
            .say(b"then")
            .and_then(|()| visit.hear(b"then"))
            .context("the upgrade has broken a connection")?;

        machine.output("dpkg --remove v6tun-server")?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        ensure!(machine.path("/etc/v6tun/server.toml").exists(), "the configuration went without a purge");
        machine.output("dpkg --purge v6tun-server")?;
        assert_eq!(changed(&files, &machine.files()?, &[]), [""; 0]);
        Ok(())
    })
}

#[test]
fn what_a_killed_server_has_changed_is_undone_before_its_program_goes() -> Result<()> {
    let (deb, _) = packages()?;
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        fs::copy(&deb, machine.path("/var/tmp/first.deb"))?;
        machine.output("dpkg --install /var/tmp/first.deb")?;
        configure(&machine, &deployment)?;
        // As in a shell of the administrator's, and not as the package's service.
        machine.output("systemd-run --quiet --unit=shell --property=KillMode=none v6tun-server up")?;
        let _client = deployment.pc.up()?;
        machine.output("systemctl kill --signal=KILL shell")?;
        ensure!(!before.difference(&Snapshot::take(&lab.vps)?).is_empty(), "nothing was left to restore");
        machine.output("dpkg --purge v6tun-server")?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        Ok(())
    })
}
