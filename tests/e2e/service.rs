//! `v6tun-server install | uninstall`, on a machine with systemd and on the image of one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use v6tun_tests::lab::address::{SITE_IPV6, SITE_NAME};
use v6tun_tests::lab::{Lab, Options, Snapshot, wait_until};
use v6tun_tests::product::Deployment;
use v6tun_tests::systemd_host::SystemdHost;
use v6tun_tests::turtle_site::DANCES;

use crate::tools::must_reach;

const SERVICE: &str = "v6tun-server.service";
const UNIT: &str = "/etc/systemd/system/v6tun-server.service";
/// How long the service may take to be back: five seconds of rest, and the start.
const BACK: Duration = Duration::from_secs(20);

/// Gives the machine the configuration and the key of the lab's server.
pub(crate) fn configure(machine: &SystemdHost, deployment: &Deployment) -> Result<()> {
    let folder = machine.path("/etc/v6tun");
    fs::create_dir_all(&folder)?;
    for (from, to) in [("config.toml", "server.toml"), ("private.key", "private.key")] {
        // The copy has the original's mode.
        fs::copy(deployment.server.dir().join(from), folder.join(to))?;
    }
    Ok(())
}

/// The files that have come or gone, but for those below the folders of `kept`.
pub(crate) fn changed(before: &BTreeSet<String>, after: &BTreeSet<String>, kept: &[&str]) -> Vec<String> {
    let changed = before.symmetric_difference(after);
    changed.filter(|file| !kept.iter().any(|folder| Path::new(file).starts_with(folder))).cloned().collect()
}

pub(crate) fn put_program(lab: &Lab, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let program = folder.join("v6tun-server");
    fs::copy(lab.product("v6tun-server")?, &program)?;
    Ok(program)
}

#[test]
fn the_installed_service_serves_comes_back_and_goes_without_rest() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let before = Snapshot::take(&lab.vps)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        put_program(lab, &machine.path("/usr/local/bin"))?;
        configure(&machine, &deployment)?;
        let files = machine.files()?;

        let install = || machine.output("/usr/local/bin/v6tun-server install");
        ensure!(install()?.contains("runs now and after every boot"), "it does not say that it runs");
        ensure!(machine.files()?.contains(UNIT), "the unit is not among the files");
        let first = machine.main_process(SERVICE)?;
        install()?;
        assert_eq!(machine.main_process(SERVICE)?, first, "nothing had changed, and it was restarted");
        put_program(lab, &machine.path("/usr/local/bin.new"))?;
        machine.output("mv /usr/local/bin.new/v6tun-server /usr/local/bin")?;
        machine.output("rmdir /usr/local/bin.new")?;
        install()?;
        let second = machine.main_process(SERVICE)?;
        ensure!(second != first, "a new program was installed, and the one before runs");
        let _client = deployment.pc.up()?;
        let page = lab.pc.output(&format!("curl -sS -m 10 http://{SITE_NAME}/"))?;
        ensure!(page.contains(DANCES), "{page}");

        machine.output(&format!("kill -KILL {second}"))?;
        wait_until("the killed service to be back", BACK, || {
            Ok(machine.run(&format!("systemctl is-active {SERVICE}"))?.success()
                && machine.main_process(SERVICE)? != second)
        })?;
        wait_until("the client to be back", BACK, || {
            Ok(lab.pc.run(&format!("ping -n -q -c 1 -W 1 {SITE_IPV6}"))?.success())
        })?;
        machine.output(&format!("systemctl stop {SERVICE}"))?;
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");

        machine.output(&format!("systemctl start {SERVICE}"))?;
        ensure!(machine.output("/usr/local/bin/v6tun-server uninstall")?.contains("stay"), "what stays");
        assert_eq!(before.difference(&Snapshot::take(&lab.vps)?), "");
        assert_eq!(changed(&files, &machine.files()?, &["/var/lib/v6tun"]), [""; 0]);
        ensure!(machine.output("/usr/local/bin/v6tun-server uninstall")?.contains("no service"), "again");
        Ok(())
    })
}

#[test]
fn the_service_has_few_privileges_and_they_suffice() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        put_program(lab, &machine.path("/usr/local/bin"))?;
        configure(&machine, &deployment)?;
        machine.output("/usr/local/bin/v6tun-server install")?;
        machine.output(&format!("systemd-analyze verify {UNIT}"))?;
        let exposure =
            machine.run(&format!("systemd-analyze security --offline=true --threshold=25 {UNIT}"))?;
        ensure!(exposure.success(), "{}", exposure.stdout);

        let id = machine.main_process(SERVICE)?;
        let status = machine.output(&format!("cat /proc/{id}/status"))?;
        // CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW: bits 10, 12 and 13.
        for line in
            ["CapBnd:\t0000000000003400", "CapEff:\t0000000000003400", "NoNewPrivs:\t1", "Seccomp:\t2"]
        {
            ensure!(status.contains(line), "{line:?} is missing: {status}");
        }
        let _clients = (deployment.pc.up()?, deployment.laptop.up()?);
        must_reach(&lab.pc, SITE_IPV6)?;
        let journal = machine.output(&format!("journalctl --no-pager --output=cat --unit={SERVICE}"))?;
        ensure!(!journal.contains("WARN") && !journal.contains("ERROR"), "{journal}");
        Ok(())
    })
}

#[test]
fn a_service_that_cannot_start_is_said_to_be_one() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let deployment = Deployment::install(lab)?;
        let machine = SystemdHost::boot(lab, &lab.vps)?;
        put_program(lab, &machine.path("/usr/local/bin"))?;
        configure(&machine, &deployment)?;
        let program = machine.run("/usr/local/bin/v6tun-server install --config /root/server.toml")?;
        assert_eq!(program.code, Some(2), "{program:?}");
        let config = machine.path("/etc/v6tun/server.toml");
        let good = fs::read_to_string(&config)?;
        fs::write(&config, "nonsense")?;
        let wrong = machine.run("/usr/local/bin/v6tun-server install")?;
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        fs::write(&config, format!("{good}\n[uplink]\ninterface = \"ens4\"\n"))?;
        let failed = machine.run("/usr/local/bin/v6tun-server install")?;
        assert_eq!(failed.code, Some(1), "{failed:?}");
        ensure!(failed.stderr.contains("hint: `journalctl -e -u v6tun-server`"), "{failed:?}");

        configure(&machine, &deployment)?;
        let _foreground = deployment.server.up()?;
        let options = "--state-dir /var/lib/two --runtime-dir /run/two";
        let refused = machine.run(&format!("/usr/local/bin/v6tun-server install {options}"))?;
        ensure!(refused.code == Some(1), "the port is taken: {refused:?}");
        machine.output("/usr/local/bin/v6tun-server uninstall")?;
        Ok(())
    })
}

/// The root of a system that does not run, with the server's program in it.
struct Image {
    root: tempfile::TempDir,
    program: PathBuf,
}

impl Image {
    fn new(lab: &Lab) -> Result<Self> {
        let root = tempfile::tempdir()?;
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
        let program = put_program(lab, &root.path().join("usr/local/bin"))?;
        Ok(Self { root, program })
    }

    fn run(&self, verb: &str) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--root").arg(self.root.path()).output().context("v6tun-server")
    }
}

#[test]
fn on_an_image_the_service_is_enabled_by_links_and_taken_away_again() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let image = Image::new(lab)?;
        for _ in 0..2 {
            let installed = image.run("install")?;
            ensure!(installed.status.success(), "{installed:?}");
        }
        let link = image.root.path().join("etc/systemd/system/multi-user.target.wants").join(SERVICE);
        assert_eq!(fs::read_link(&link)?, Path::new(UNIT));
        let unit = fs::read_to_string(image.root.path().join(&UNIT[1..]))?;
        ensure!(unit.contains("\nExecStart=/usr/local/bin/v6tun-server up\n"), "{unit}");
        let removed = image.run("uninstall")?;
        ensure!(removed.status.success(), "{removed:?}");
        ensure!(fs::symlink_metadata(&link).is_err(), "the link stays");
        ensure!(!image.root.path().join(&UNIT[1..]).exists(), "the unit stays");
        Ok(())
    })
}

#[test]
fn a_program_that_does_not_stay_is_refused_with_where_to_put_it() -> Result<()> {
    Lab::run(&Options::default(), |lab| {
        let image = Image::new(lab)?;
        let built = lab.product("v6tun-server")?;
        let root = image.root.path().display();
        let refused = Command::new(built).arg("install").arg("--root").arg(image.root.path()).output()?;
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(said.contains(&format!("it lies outside of {root}")), "{said}");
        ensure!(said.contains("hint: `sudo install "), "{said}");
        ensure!(!image.root.path().join("etc").exists(), "something was written");
        Ok(())
    })
}
