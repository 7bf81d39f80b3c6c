//! The packages that `packaging/windows/build` makes, and what its installer does to a Windows machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use v6tun_tests::windows_machine::WindowsMachine;

mod installer;

const FOLDER: &str = "Program Files/v6tun";
const SERVICE: &str = r"HKLM\System\CurrentControlSet\Services\v6tun";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .output()
        .with_context(|| program.to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = run(program, arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the packages, and returns their paths and bytes.
fn build() -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let made = output("packaging/windows/build", &[])?;
    made.lines().map(|path| Ok((PathBuf::from(path), fs::read(path)?))).collect()
}

/// The packages, made once for all tests, in a folder that a later build leaves alone; unpacked too.
struct Packages {
    _folder: TempDir,
    msi: PathBuf,
    tree: PathBuf,
}

fn packages() -> Result<&'static Packages> {
    static KEPT: OnceLock<Result<Packages, String>> = OnceLock::new();
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
        let (zip, msi) = (kept(".zip")?, kept(".msi")?);
        output("unzip", &["-q", &zip.to_string_lossy(), "-d", &folder.path().to_string_lossy()])?;
        Ok(Packages { _folder: folder, msi, tree: zip.with_extension("") })
    };
    KEPT.get_or_init(|| keep().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|e| anyhow::anyhow!("{e}"))
}

/// The files below a folder, by their names in it.
fn files(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let listing = output("find", &[&folder.to_string_lossy(), "-type", "f", "-printf", "%P\n"])?;
    let mut files: Vec<_> = listing.lines().map(str::to_owned).collect();
    files.sort();
    Ok(files)
}

/// Makes an installer of a folder.
fn make_installer(tree: &Path, version: &str, made: &Path) -> Result<()> {
    let script = repository().join("packaging/windows/msi");
    let output = Command::new(script)
        .arg(tree)
        .args([version, "x64", "0.14.1.0"])
        .arg(made)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn msiexec(machine: &WindowsMachine, what: &str, msi: &Path, properties: &[&str]) -> Result<Output> {
    let msi = WindowsMachine::outside(msi);
    let command = ["msiexec", what, &msi, "/qn", r"/l*v", r"C:\installer.log"];
    machine.run(&[&command[..], properties].concat())
}

fn log(machine: &WindowsMachine) -> String {
    let log = fs::read(machine.path("installer.log")).unwrap_or_default();
    String::from_utf8_lossy(&log).replace('\0', "")
}

/// Turns the machine off and looks whether anything of v6tun is left on it.
fn must_be_clean(machine: &WindowsMachine) -> Result<()> {
    ensure!(!machine.path(FOLDER).exists(), "files were left: {:?}", files(&machine.path(FOLDER))?);
    let cached = files(&machine.path("windows/Installer"))?;
    ensure!(cached.is_empty(), "the installer was left: {cached:?}");
    let registry = machine.turn_off()?;
    let left: Vec<_> = registry.lines().filter(|line| line.to_lowercase().contains("v6tun")).collect();
    ensure!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn the_packages_have_all_that_is_needed_and_two_runs_make_the_same_bytes() -> Result<()> {
    let packages = packages()?;
    let files = files(&packages.tree)?;
    for file in [
        "v6tun-client.exe",
        "v6tun.exe",
        "wintun.dll",
        "LICENSE-wintun.txt",
        "LICENSE-MIT.txt",
        "LICENSE-APACHE.txt",
        "THIRD-PARTY-NOTICES.txt",
        "README.md",
        "CHANGELOG.md",
        "docs/vps.md",
    ] {
        ensure!(files.iter().any(|name| name == file), "{file} is missing: {files:?}");
    }
    let notices = fs::read_to_string(packages.tree.join("THIRD-PARTY-NOTICES.txt"))?;
    ensure!(notices.contains("\nwintun v") && !notices.contains("\nrtnetlink v"), "{notices}");

    let machine = WindowsMachine::boot()?;
    let key = machine.output(&[&packages.tree.join("v6tun.exe").to_string_lossy(), "genkey"])?;
    assert_eq!(key.trim_end().len(), 44, "{key}");
    machine.output(&[&packages.tree.join("v6tun-client.exe").to_string_lossy(), "--version"])?;
    let program = fs::read(packages.tree.join("v6tun-client.exe"))?;
    let has = |text: &[u8]| program.windows(text.len()).any(|bytes| bytes == text);
    ensure!(has(br#"level="asInvoker""#), "it has no manifest");
    let name: Vec<u8> = "The v6tun client".encode_utf16().flat_map(u16::to_le_bytes).collect();
    ensure!(has(&name), "it has no version information");
    // What would differ from machine to machine, and from run to run.
    for text in [&repository().canonicalize()?.to_string_lossy(), "/.cargo/registry", "_dll_imports_lib"] {
        ensure!(!has(text.as_bytes()), "the program has {text} in it");
    }
    Ok(())
}

#[test]
fn a_wintun_dll_that_is_not_the_official_one_is_not_packaged() -> Result<()> {
    let official = packages()?.tree.join("wintun.dll");
    let check = |file: &Path| run("packaging/windows/wintun", &[&file.to_string_lossy(), "amd64"]);
    let accepted = check(&official)?;
    ensure!(accepted.status.success(), "{accepted:?}");

    let folder = tempfile::tempdir()?;
    let changed = folder.path().join("wintun.dll");
    let mut bytes = fs::read(official)?;
    // The checksum in the header, which a signature does not cover: 88 bytes behind the mark `PE`.
    let header = u32::from_le_bytes(bytes[60..64].try_into()?) as usize;
    bytes[header + 88] ^= 1;
    fs::write(&changed, bytes)?;
    let refused = check(&changed)?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("is not wintun 0.14.1.0 for amd64"), "{refused:?}");
    ensure!(said.contains("\nhint: "), "{said}");
    Ok(())
}

#[test]
fn the_real_program_is_installed_as_a_service_and_removed_without_rest() -> Result<()> {
    let packages = packages()?;
    let machine = WindowsMachine::boot()?;
    let installed = msiexec(&machine, "/i", &packages.msi, &[])?;
    ensure!(installed.status.success(), "{}", log(&machine));
    assert_eq!(files(&machine.path(FOLDER))?, files(&packages.tree)?);
    let service = machine.output(&["reg", "query", SERVICE])?;
    for part in [r#""C:\Program Files\v6tun\v6tun-client.exe""#, "LocalSystem"] {
        ensure!(service.contains(part), "{part} is missing: {service}");
    }

    let folder = tempfile::tempdir()?;
    let later = folder.path().join("later.msi");
    make_installer(&packages.tree, "99.0.0", &later)?;
    let upgraded = msiexec(&machine, "/i", &later, &[])?;
    ensure!(upgraded.status.success(), "{}", log(&machine));
    assert_eq!(files(&machine.path(FOLDER))?, files(&packages.tree)?);
    assert_eq!(machine.output(&["reg", "query", SERVICE])?, service);

    let removed = msiexec(&machine, "/x", &later, &[])?;
    ensure!(removed.status.success(), "{}", log(&machine));
    must_be_clean(&machine)
}
