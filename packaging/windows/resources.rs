//! Build script of the programs: for Windows it gives them the manifest beside this file and version information.
//! For other targets it does nothing.

use std::env::{self, VarError};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

const MANIFEST: &str = "../packaging/windows/program.manifest";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../packaging/windows/resources.rs");
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rerun-if-env-changed=WINDRES");
    if env::var("CARGO_CFG_TARGET_OS")? != "windows" {
        return Ok(());
    }
    let manifest = fs::canonicalize(MANIFEST)?;
    if env::var("CARGO_CFG_TARGET_ENV")? == "msvc" {
        println!("cargo::rustc-link-arg-bins=/MANIFEST:EMBED");
        println!("cargo::rustc-link-arg-bins=/MANIFESTINPUT:{}", manifest.display());
        return Ok(());
    }
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    let (script, object) = (folder.join("program.rc"), folder.join("program.o"));
    fs::copy(manifest, folder.join("program.manifest"))?;
    fs::write(&script, resource_script()?)?;
    compile(&script, &object)?;
    println!("cargo::rustc-link-arg-bins={}", object.display());
    Ok(())
}

/// The manifest and the version, as windres reads them. 1033 is English, 1200 is UTF-16.
fn resource_script() -> Result<String, VarError> {
    let (description, version) = (env::var("CARGO_PKG_DESCRIPTION")?, env::var("CARGO_PKG_VERSION")?);
    let (major, minor) = (env::var("CARGO_PKG_VERSION_MAJOR")?, env::var("CARGO_PKG_VERSION_MINOR")?);
    let numbers = format!("{major}, {minor}, {}, 0", env::var("CARGO_PKG_VERSION_PATCH")?);
    let licence = env::var("CARGO_PKG_LICENSE")?;
    Ok(format!(
        r#"1 24 "program.manifest"
1 VERSIONINFO
FILEVERSION {numbers}
PRODUCTVERSION {numbers}
FILEOS 0x40004
FILETYPE 1
{{
  BLOCK "StringFileInfo"
  {{
    BLOCK "040904B0"
    {{
      VALUE "FileDescription", "{description}"
      VALUE "FileVersion", "{version}"
      VALUE "LegalCopyright", "{licence}"
      VALUE "ProductName", "v6tun"
      VALUE "ProductVersion", "{version}"
    }}
  }}
  BLOCK "VarFileInfo"
  {{
    VALUE "Translation", 1033, 1200
  }}
}}
"#
    ))
}

/// What of the toolchain makes object files of the target out of such a text.
fn windres() -> Result<Command, VarError> {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let is_llvm = env::var("CARGO_CFG_TARGET_ABI").is_ok_and(|abi| abi == "llvm");
    let name = match env::var("WINDRES") {
        Ok(named) => named,
        Err(_) if is_llvm => "llvm-windres".to_owned(),
        Err(_) if env::var("HOST")?.contains("windows") => "windres".to_owned(),
        Err(_) => format!("{architecture}-w64-mingw32-windres"),
    };
    let mut command = Command::new(name);
    if is_llvm {
        // That of the GNU binutils is for one target alone.
        command.arg(format!("--target={architecture}-w64-mingw32"));
    }
    Ok(command)
}

fn compile(script: &Path, object: &Path) -> Result<(), Box<dyn Error>> {
    let mut command = windres()?;
    let name = command.get_program().display().to_string();
    command.args(["--output-format=coff", "--include-dir"]).arg(script.with_file_name(""));
    let status = command.arg(script).arg(object).status().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{name}: not found; it comes with the binutils for Windows"),
        _ => format!("{name}: {error}"),
    })?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}
