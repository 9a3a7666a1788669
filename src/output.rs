//! Where results go: checked before long work, so that nothing is replaced that is not a result of the same kind.
//!
//! A secret is never replaced. The opening of a commitment or the salts of a proof exist once, and what they open is
//! public for ever.

use crate::{
    args::Settings,
    keys::{make_folder, KeyFolder},
    plot,
};
use anyhow::{bail, Context, Result};
use std::{
    fs::{self, File, TryLockError},
    io::Read,
    path::{Path, PathBuf},
};
use zkml_files::Kind;
use zkml_model::prove::Word;

/// What a command writes to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A container of this kind.
    Container(Kind),
    /// Settings of `zkml calibrate`.
    Settings,
    /// A plot.
    Plot,
    /// Calldata in hexadecimal.
    Calldata,
    /// Solidity of `zkml evm generate`.
    Solidity,
    /// A contract's artefact.
    Artefact,
    /// What the Solidity compiler was given.
    CompilerInput,
    /// A model's `config.json`.
    Config,
    /// A model's commitment.
    Commitment,
}

/// Bytes of a file by which its kind is told.
const HEAD: u64 = 4096;
/// Fewest digits of calldata. Private keys and seeds, which are written like it, have 128 at most.
const CALLDATA: usize = 200;

impl Content {
    fn name(self) -> &'static str {
        match self {
            Content::Container(kind) => kind.name(),
            Content::Settings => "settings of `zkml calibrate`",
            Content::Plot => "a plot",
            Content::Calldata => "calldata",
            Content::Solidity => "a Solidity contract",
            Content::Artefact => "a contract's artefact",
            Content::CompilerInput => "a Solidity compiler's input",
            Content::Config => "a configuration of `zkml setup`",
            Content::Commitment => "a commitment of `zkml setup`",
        }
    }

    /// Whether a file that starts so is one that may be replaced: one that zkml wrote, not just one of the same format.
    fn is_of(self, path: &Path, head: &[u8]) -> bool {
        let has = |text: &str| {
            let text = text.as_bytes();
            head.windows(text.len()).any(|part| part == text)
        };
        match self {
            Content::Container(kind) => {
                head.starts_with(b"ZKML") && head.get(4..8) == Some(&kind.tag())
            }
            // An input file may have a tensor of that name.
            Content::Settings => Settings::read(path)
                .is_ok_and(|settings| settings.scale.is_some() && settings.input_range.is_some()),
            Content::Plot => head.starts_with(b"<svg") && has(plot::TITLE),
            Content::Commitment => {
                let text = std::str::from_utf8(head).ok();
                text.is_some_and(|text| text.trim().parse::<Word>().is_ok())
            }
            Content::Calldata => {
                let digits = head.strip_prefix(b"0x");
                let digits = digits.unwrap_or_default().trim_ascii();
                digits.len() >= CALLDATA && digits.iter().all(u8::is_ascii_hexdigit)
            }
            Content::Solidity => {
                head.starts_with(b"// SPDX-License-Identifier") && has("// Written by zkml")
            }
            Content::Artefact => head.starts_with(b"{") && has("\"contract\"") && has("\"solc\""),
            Content::CompilerInput => head.starts_with(b"{") && has("\"language\": \"Solidity\""),
            // A contract's artefact may have a graph in it.
            Content::Config => {
                head.starts_with(b"{") && has("\"version\"") && has("\"shape\"") && !has("\"solc\"")
            }
        }
    }
}

/// Fails if a file cannot be written there, or if that would take something else away: a file of another kind, one
/// that the command reads, or a name of the folder of keys.
///
/// # Errors
/// Says what is there.
pub fn check(path: &Path, content: Content, reads: &[&Path]) -> Result<()> {
    let place = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: a folder; give the path of a file", place());
    }
    let folder = folder_of(path);
    // Nameless on Linux: it is gone whatever happens.
    tempfile::tempfile_in(folder).with_context(|| format!("{}: cannot write there", place()))?;
    let linked = path.canonicalize().ok();
    if is_of_keys(path) || linked.is_some_and(|path| is_of_keys(&path)) {
        bail!(
            "{}: a name of the folder of keys; give another path",
            place()
        );
    }
    if let Some(read) = reads.iter().find(|read| is_same(read, path)) {
        bail!(
            "{}: the command reads this file ({}); give another path",
            place(),
            read.display()
        );
    }
    replaceable(path, content)
}

/// Whether a path is a name of a folder of keys.
fn is_of_keys(path: &Path) -> bool {
    let keys = KeyFolder(folder_of(path).to_owned()).files();
    let reserved = keys.iter().any(|file| file.file_name() == path.file_name());
    reserved && keys.iter().any(|file| file.exists())
}

/// Fails if the command reads what it is to write in a folder.
///
/// # Errors
/// Names the file.
pub fn check_reads(writes: &[PathBuf], reads: &[&Path]) -> Result<()> {
    for read in reads {
        if let Some(path) = writes.iter().find(|path| is_same(read, path)) {
            bail!(
                "{}: the command reads this file, and would write {}; give another folder",
                read.display(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Fails if there is a file that is not of this kind.
pub fn replaceable(path: &Path, content: Content) -> Result<()> {
    let place = || path.display().to_string();
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.with_context(place)?,
    };
    let mut head = Vec::new();
    if metadata.is_file() {
        let file = File::open(path).with_context(place)?;
        file.take(HEAD).read_to_end(&mut head).with_context(place)?;
    }
    if metadata.is_file() && (metadata.len() == 0 || content.is_of(path, &head)) {
        return Ok(());
    }
    bail!(
        "{}: there is a file that is not {}: it is not replaced; move it away, or give another path",
        place(),
        content.name()
    )
}

/// Fails if there is a secret.
pub fn check_secret(path: &Path, what: &str) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        bail!(
            "{}: {what}, a secret that exists once: it is not replaced; move it away, or give another --out",
            path.display()
        );
    }
    Ok(())
}

/// Keeps a secret under another name, where something is to replace it. Returns that name.
pub fn set_aside(path: &Path) -> Result<Option<PathBuf>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let kept = (1..).map(|i: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{i}"));
        PathBuf::from(name)
    });
    for kept in kept {
        // A link fails where a name is taken, a rename does not.
        match fs::hard_link(path, &kept) {
            Ok(()) => {
                fs::remove_file(path).with_context(|| path.display().to_string())?;
                return Ok(Some(kept));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("{}: cannot be kept as {}", path.display(), kept.display())
                })
            }
        }
    }
    Ok(None)
}

/// Whether two paths lead to one file, also to one that is not there yet.
pub fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |path| fs::metadata(path).map(|data| (data.dev(), data.ino()));
        if let (Ok(a), Ok(b)) = (id(a), id(b)) {
            return a == b;
        }
    }
    let place = |path: &Path| {
        let there = path.canonicalize();
        there.or_else(|_| {
            Ok::<_, std::io::Error>(
                folder_of(path)
                    .canonicalize()?
                    .join(path.file_name().unwrap_or_default()),
            )
        })
    };
    matches!((place(a), place(b)), (Ok(a), Ok(b)) if a == b)
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A folder that no other zkml writes to, until this goes.
#[must_use = "others may write to the folder when this goes"]
#[derive(Debug)]
pub struct Claim {
    _folder: Option<File>,
}

impl Claim {
    /// Claims a folder; on a file system without locks there is nothing to claim.
    ///
    /// # Errors
    /// If another process has it.
    pub fn new(folder: &Path) -> Result<Self> {
        let Ok(file) = File::open(folder) else {
            return Ok(Self { _folder: None });
        };
        match file.try_lock() {
            Ok(()) => Ok(Self {
                _folder: Some(file),
            }),
            Err(TryLockError::WouldBlock) => bail!(
                "{}: another zkml is writing to this folder: wait for it, or give another folder",
                folder.display()
            ),
            Err(TryLockError::Error(_)) => Ok(Self { _folder: None }),
        }
    }
}

/// A folder made and claimed in advance, so that an unwritable place is found before long work. What was made of it
/// goes again if nothing was written to it.
#[must_use = "the folder goes when this does, if it is still empty"]
pub struct NewFolder {
    /// What was absent, the innermost first.
    made: Vec<PathBuf>,
    _claim: Claim,
}

impl NewFolder {
    /// Makes a folder, if it is absent, and makes sure that it can be written to.
    ///
    /// # Errors
    /// If it cannot, or if another process writes to it.
    pub fn new(folder: &Path) -> Result<Self> {
        let absent = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let made: Vec<_> = folder
            .ancestors()
            .take_while(absent)
            .map(Path::to_owned)
            .collect();
        make_folder(folder)?;
        let claim = Claim::new(folder)?;
        tempfile::tempfile_in(folder)
            .with_context(|| format!("{}: cannot write there", folder.display()))?;
        Ok(Self {
            made,
            _claim: claim,
        })
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        for folder in &self.made {
            // This fails where there is something in it, which is as it should be.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
