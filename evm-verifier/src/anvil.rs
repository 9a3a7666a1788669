//! Where the development node anvil is, which the tests run on.

use crate::compile::in_repository;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A development node's program.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Anvil {
    /// The program.
    pub path: PathBuf,
    /// What it says that it is.
    pub version: String,
    /// Where the path came from.
    pub origin: &'static str,
}

/// The npm package for this machine; the package of that name without a machine is only a wrapper in Node.
pub fn npm_package() -> PathBuf {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    PathBuf::from(format!(
        "scripts/anvil/node_modules/@foundry-rs/anvil-{system}-{machine}"
    ))
}

/// Finds it: `$ANVIL`, the npm package of `scripts/anvil`, `anvil` on the path. An error says what to do.
pub fn find_anvil() -> Result<Anvil, String> {
    let mut places: Vec<(PathBuf, &'static str)> = Vec::new();
    match std::env::var_os("ANVIL") {
        Some(path) => places.push((path.into(), "$ANVIL")),
        None => {
            let program = npm_package().join("bin/anvil");
            let packages = in_repository(&program);
            places.extend(packages.into_iter().map(|path| (path, "npm package")));
            places.push((PathBuf::from("anvil"), "anvil on the path"));
        }
    }
    for (path, origin) in places {
        if let Some(version) = version_of(&path) {
            return Ok(Anvil {
                path,
                version,
                origin,
            });
        }
    }
    Err("no anvil found; run `npm ci --prefix scripts/anvil` in the repository (Linux on x86-64), or install foundry (https://getfoundry.sh) and set ANVIL to its path".into())
}

/// The first line of what a program says about its version; none if it does not run.
pub fn version_of(program: &Path) -> Option<String> {
    let out = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line = text.lines().next()?.trim();
    (out.status.success() && !line.is_empty()).then(|| line.to_owned())
}
