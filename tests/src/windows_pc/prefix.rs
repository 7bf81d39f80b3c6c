//! Wine prefixes, made of the template of `tests/windows/setup`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::lab::program::target_dir;

/// DLLs of Windows that are doubles here. They take the place of Wine's in its own folder, so that any program has
/// them.
const SYSTEM_DLLS: [&str; 2] = ["iphlpapi.dll", "wine_iphlpapi.dll"];

/// Wine is told that these are not its own.
const OVERRIDES: &str = r#"
[Software\\Wine\\DllOverrides]
"iphlpapi"="native,builtin"
"#;

/// Makes a prefix that links to the files of the template, so that it takes no room. Programs may add, remove and
/// replace files; none of Wine's writes into one.
pub(super) fn make(prefix: &Path) -> Result<()> {
    let template = template()?;
    fs::create_dir(prefix).with_context(|| prefix.display().to_string())?;
    let drive = template.join("drive_c");
    let status = Command::new("cp").arg("-as").args([&drive, prefix]).status().context("cp")?;
    ensure!(status.success(), "{} cannot be copied", drive.display());
    let devices = prefix.join("dosdevices");
    fs::create_dir(&devices).context("drives")?;
    for (target, drive) in [("../drive_c", "c:"), ("/", "z:")] {
        symlink(target, devices.join(drive)).context(drive)?;
    }
    for file in ["system.reg", "user.reg", "userdef.reg", ".update-timestamp"] {
        fs::copy(template.join(file), prefix.join(file)).context(file)?;
    }
    Ok(())
}

/// Puts the doubles where they belong: those of Windows itself, and `wintun.dll` into the folder of the programs.
pub(super) fn furnish(prefix: &Path, programs: &Path) -> Result<()> {
    let doubles = build_doubles()?;
    let system = prefix.join("drive_c/windows/system32");
    for dll in SYSTEM_DLLS {
        let place = system.join(dll);
        // What is there is a link to the template's.
        if place.exists() {
            fs::remove_file(&place).context(dll)?;
        }
        fs::copy(doubles.join(dll), place).context(dll)?;
    }
    let mut registry = OpenOptions::new().append(true).open(prefix.join("user.reg")).context("user.reg")?;
    registry.write_all(OVERRIDES.as_bytes()).context("user.reg")?;
    fs::create_dir(programs).context("a folder for programs")?;
    fs::copy(doubles.join("wintun.dll"), programs.join("wintun.dll")).context("wintun.dll")?;
    Ok(())
}

fn template() -> Result<PathBuf> {
    let named = std::env::var_os("V6TUN_WINE_TEMPLATE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/v6tun-wine"));
    let template = named.or_else(home).context("HOME is not set")?;
    ensure!(
        template.join(".recipe").is_file(),
        "{} is no Wine prefix: run `tests/windows/setup` first",
        template.display()
    );
    Ok(template)
}

/// Compiles the doubles if they are not as their source is, and returns their folder.
fn build_doubles() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("windows/build-doubles");
    let folder = target_dir()?.join("windows/doubles");
    let built = Command::new(&script).arg(&folder).output().with_context(|| script.display().to_string())?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(folder)
}
