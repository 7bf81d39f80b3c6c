//! The installer, with a program that tells what it is asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use v6tun_tests::windows_machine::WindowsMachine;

use super::{FOLDER, files, log, make_installer, msiexec, must_be_clean, output};

/// Where Windows keeps the machine's PATH.
const ENVIRONMENT: &str = r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment";
const INSTALLED: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall";

/// A folder as it is packaged, but with a program that tells what it is asked for.
fn stand_in(folder: &Path, version: &str) -> Result<PathBuf> {
    let tree = folder.join(version);
    fs::create_dir_all(tree.join("docs"))?;
    for file in ["v6tun.exe", "wintun.dll", "README.md", "docs/windows.md"] {
        fs::write(tree.join(file), version)?;
    }
    let version = format!("-DVERSION=\"{version}\"");
    let program = tree.join("v6tun-client.exe");
    output(
        "x86_64-w64-mingw32-gcc",
        &[&version, "-static-libgcc", "-o", &program.to_string_lossy(), "tests/windows/doubles/client.c"],
    )?;
    Ok(tree)
}

/// A machine, and the installers of two versions that tell what they are asked for.
struct Bench {
    machine: WindowsMachine,
    folder: TempDir,
}

impl Bench {
    fn new(machine: WindowsMachine) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for version in ["0.1.0", "0.2.0"] {
            let tree = stand_in(folder.path(), version)?;
            make_installer(&tree, version, &folder.path().join(format!("{version}.msi")))?;
        }
        Ok(Self { machine, folder })
    }

    fn run(&self, what: &str, version: &str, properties: &[&str]) -> Result<Output> {
        let msi = self.folder.path().join(format!("{version}.msi"));
        msiexec(&self.machine, what, &msi, properties)
    }

    fn must(&self, what: &str, version: &str) -> Result<()> {
        let output = self.run(what, version, &[])?;
        ensure!(output.status.success(), "msiexec {what} {version}: {}", log(&self.machine));
        Ok(())
    }

    /// What the programs have been asked for and done since this was asked last.
    fn told(&self) -> Result<Vec<String>> {
        let path = self.machine.path("told");
        let told = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, "")?;
        Ok(told.lines().map(|line| line.trim_end().to_owned()).collect())
    }
}

/// The folders of the machine's PATH.
fn path(machine: &WindowsMachine) -> Result<Vec<String>> {
    let said = machine.output(&["reg", "query", ENVIRONMENT, "/v", "PATH"])?;
    let (_, folders) = said.rsplit_once("REG_EXPAND_SZ").context(said.clone())?;
    // Wine leaves empty ones behind.
    Ok(folders.trim().split(';').filter(|folder| !folder.is_empty()).map(str::to_owned).collect())
}

fn service_state(machine: &WindowsMachine) -> Result<String> {
    let said = machine.run(&["sc", "query", "v6tun"])?.stdout;
    let said = String::from_utf8_lossy(&said);
    Ok(said.lines().find(|line| line.contains("STATE")).unwrap_or_default().trim().to_owned())
}

#[test]
fn a_running_service_is_stopped_for_an_upgrade_and_comes_back_and_nothing_is_left_after_it() -> Result<()> {
    let bench = Bench::new(WindowsMachine::boot()?)?;
    let machine = &bench.machine;
    let before = path(machine)?;

    bench.must("/i", "0.1.0")?;
    assert_eq!(bench.told()?, ["0.1.0 install", "0.1.0 runs"]);
    let expected = ["README.md", "docs/windows.md", "v6tun-client.exe", "v6tun.exe", "wintun.dll"];
    assert_eq!(files(&machine.path(FOLDER))?, expected);
    let with_folder = [&before[..], &[r"C:\Program Files\v6tun\".to_owned()]].concat();
    assert_eq!(path(machine)?, with_folder);

    bench.must("/i", "0.2.0")?;
    // Wine does not tell the version before that it is upgraded.
    let told = bench.told()?;
    assert_eq!(told, ["0.1.0 ends", "0.1.0 uninstall", "0.2.0 install", "0.2.0 runs"]);
    assert_eq!(files(&machine.path(FOLDER))?, expected);
    assert_eq!(fs::read_to_string(machine.path(FOLDER).join("wintun.dll"))?, "0.2.0");
    assert_eq!(path(machine)?, with_folder);
    let installed = machine.output(&["reg", "query", INSTALLED])?;
    assert_eq!(installed.matches('{').count(), 1, "both versions are installed: {installed}");

    let older = bench.run("/i", "0.1.0", &[])?;
    ensure!(!older.status.success(), "a later version was replaced by an earlier one");
    assert_eq!(bench.told()?, [""; 0]);

    bench.must("/x", "0.2.0")?;
    assert_eq!(bench.told()?, ["0.2.0 ends", "0.2.0 uninstall"]);
    assert_eq!(path(machine)?, before);
    must_be_clean(machine)
}

#[test]
fn an_upgrade_keeps_the_service_and_only_stops_it() -> Result<()> {
    let bench = Bench::new(WindowsMachine::boot()?)?;
    // Wine leaves a program whose process has told its end and has not yet ended: then it is tried once more.
    for _ in 0..3 {
        bench.must("/i", "0.1.0")?;
        bench.told()?;
        // What Windows says to the version before.
        let output =
            bench.run("/x", "0.1.0", &["UPGRADINGPRODUCTCODE={00000000-0000-0000-0000-000000000000}"])?;
        ensure!(output.status.success(), "{}", log(&bench.machine));
        assert_eq!(bench.told()?, ["0.1.0 ends"]);
        if !bench.machine.path(FOLDER).exists() {
            break;
        }
    }
    ensure!(service_state(&bench.machine)?.contains("STOPPED"), "{}", service_state(&bench.machine)?);
    bench.must("/i", "0.2.0")?;
    assert_eq!(bench.told()?, ["0.2.0 install", "0.2.0 finds the service", "0.2.0 runs"]);
    bench.must("/x", "0.2.0")?;
    must_be_clean(&bench.machine)
}

#[test]
fn an_installation_that_fails_leaves_nothing_and_a_program_that_fails_keeps_nothing_installed() -> Result<()>
{
    let bench = Bench::new(WindowsMachine::boot()?)?;
    let machine = &bench.machine;
    fs::write(machine.path("fail-install"), "")?;
    let failed = bench.run("/i", "0.1.0", &[])?;
    ensure!(!failed.status.success(), "an installation without a service succeeded");
    ensure!(!machine.path(FOLDER).exists(), "{:?}", files(&machine.path(FOLDER))?);
    fs::remove_file(machine.path("fail-install"))?;

    bench.must("/i", "0.1.0")?;
    fs::remove_file(machine.path(FOLDER).join("v6tun-client.exe"))?;
    bench.must("/x", "0.1.0")?;
    must_be_clean(machine)
}

#[test]
fn the_same_version_of_another_commit_replaces_the_first() -> Result<()> {
    let bench = Bench::new(WindowsMachine::boot()?)?;
    bench.must("/i", "0.1.0")?;
    let tree = bench.folder.path().join("0.1.0");
    fs::write(tree.join("README.md"), "of another commit")?;
    make_installer(&tree, "0.1.0", &bench.folder.path().join("other.msi"))?;
    bench.must("/i", "other")?;
    let readme = fs::read_to_string(bench.machine.path(FOLDER).join("README.md"))?;
    assert_eq!(readme, "of another commit");
    let installed = bench.machine.output(&["reg", "query", INSTALLED])?;
    assert_eq!(installed.matches('{').count(), 1, "both are installed: {installed}");
    Ok(())
}

#[test]
fn a_windows_before_10_is_refused() -> Result<()> {
    let bench = Bench::new(WindowsMachine::boot_older()?)?;
    let refused = bench.run("/i", "0.1.0", &[])?;
    ensure!(!refused.status.success(), "it was installed");
    assert_eq!(bench.told()?, [""; 0]);
    must_be_clean(&bench.machine)
}
