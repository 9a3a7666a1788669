//! Which Solidity compiler: the one asked for, or the first of those that are on this machine.

use super::CompileError;
use foundry_compilers::solc::Solc;
use std::path::{Path, PathBuf};

/// The oldest and the first too new compiler, as (minor, patch) of 0.x.
const SUPPORTED: std::ops::Range<(u64, u64)> = (8, 24)..(9, 0);
/// The compiler that the tests, and the published code hashes, are made with.
const PREFERRED: (u64, u64) = (8, 30);

/// A compiler, and how it was found.
#[derive(Clone, Debug)]
pub struct Compiler {
    pub(super) solc: Solc,
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where the path came from.
    pub origin: &'static str,
}

impl std::fmt::Display for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "solc {} ({}: {})",
            self.version,
            self.origin,
            self.path.display()
        )
    }
}

/// Finds a compiler: `explicit`, `$SOLC`, one installed by svm, `solc` on the path, the npm package.
///
/// A compiler that was asked for (the first two) is taken or refused: no other is tried instead.
pub fn find_compiler(explicit: Option<&Path>) -> Result<Compiler, CompileError> {
    let mut tried = Vec::new();
    let asked = explicit
        .map(|path| (path.to_path_buf(), "given"))
        .or_else(|| std::env::var_os("SOLC").map(|path| (PathBuf::from(path), "$SOLC")));
    let asked_for = asked.is_some();
    let places = match asked {
        Some(place) => vec![place],
        None => places(),
    };
    for (path, origin) in places {
        match open(&path, origin) {
            Ok(compiler) => return Ok(compiler),
            Err(reason) => tried.push(format!("  {origin}: {}: {reason}", path.display())),
        }
    }
    if !asked_for && !tried.iter().any(|line| line.contains("svm")) {
        tried.insert(0, "  $SOLC: not set\n  svm: nothing installed".to_string());
    }
    Err(CompileError::NoCompiler {
        tried: tried.join("\n"),
    })
}

fn open(path: &Path, origin: &'static str) -> Result<Compiler, String> {
    // A bare name is looked up on the path; anything else must be there.
    if path.components().count() > 1 && !path.is_file() {
        return Err("no such file".to_string());
    }
    let solc = Solc::new(path).map_err(|error| one_line(&error.to_string()))?;
    let version = solc.version.to_string();
    let number = (solc.version.minor, solc.version.patch);
    if solc.version.major != 0 || !SUPPORTED.contains(&number) {
        return Err(format!(
            "version {version}, expected 0.8.24 or later, below 0.9"
        ));
    }
    Ok(Compiler {
        solc,
        path: path.to_path_buf(),
        version,
        origin,
    })
}

fn places() -> Vec<(PathBuf, &'static str)> {
    let mut places: Vec<_> = svm_installed()
        .into_iter()
        .map(|path| (path, "svm"))
        .collect();
    places.push((PathBuf::from("solc"), "solc on the path"));
    places.extend(
        in_repository(Path::new("scripts/solc/solc"))
            .into_iter()
            .map(|path| (path, "npm package")),
    );
    places
}

/// Compilers that `svm` or foundry have installed, the preferred version first, then the newest.
fn svm_installed() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".local/share")));
    let roots = [
        home.map(|home| home.join(".svm")),
        data.map(|data| data.join("svm")),
    ];
    let mut found: Vec<((u64, u64), PathBuf)> = roots
        .into_iter()
        .flatten()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let mut parts = name.strip_prefix("0.")?.split('.').map(str::parse::<u64>);
            let number = (parts.next()?.ok()?, parts.next()?.ok()?);
            let path = entry.path().join(format!("solc-{name}"));
            (SUPPORTED.contains(&number) && path.is_file()).then_some((number, path))
        })
        .collect();
    found.sort_by_key(|(number, _)| (*number != PREFERRED, std::cmp::Reverse(*number)));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A file of the repository: under `$ZKML_HOME`, or else above the working directory, above this program,
/// and in the repository that this was built from.
pub fn in_repository(file: &Path) -> Vec<PathBuf> {
    if let Some(home) = std::env::var_os("ZKML_HOME") {
        return vec![PathBuf::from(home).join(file)];
    }
    let above = |start: Option<PathBuf>| -> Option<PathBuf> {
        start?
            .ancestors()
            .map(|dir| dir.join(file))
            .find(|path| path.is_file())
    };
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(|root| root.join(file));
    let mut found: Vec<PathBuf> = Vec::new();
    let candidates = [
        above(std::env::current_dir().ok()),
        above(std::env::current_exe().ok()),
        built_from,
    ];
    for path in candidates.into_iter().flatten() {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_compiler_is_named() {
        let error = find_compiler(Some(Path::new("/nowhere/solc")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("given: /nowhere/solc: no such file"),
            "{error}"
        );
        assert!(error.contains("npm ci --prefix scripts/solc"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_compiler_is_refused() {
        let error = find_compiler(Some(Path::new("/bin/true")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/bin/true"), "{error}");
    }
}
