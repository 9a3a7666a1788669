//! Files that claim to be what they are not, each handed to the command that reads it. The tests and the benchmark
//! `files/forged` run the same ones.

mod proofs;
mod sizes;
mod trust;
#[path = "../verifier.rs"]
mod verifier;

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use zkml_cli::{
    args::Global,
    keys::{KeyFolder, Verifying},
    srs::SrsArgs,
    ui::Ui,
};
use zkml_srs::Srs;

/// Longest time that a command may take with a forged file.
const LIMIT: Duration = Duration::from_secs(600);

/// A forged file, and what became of it.
pub struct Case {
    /// What is forged.
    pub name: &'static str,
    /// Whether it was accepted, or kept the command busy.
    pub accepted: bool,
    /// What the command said, and how it ended.
    pub said: String,
}

/// How a command ended: its exit code, unless it had to be stopped.
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
    pub wall: Duration,
}

/// Where honest files are, and the program.
pub struct Scene<'s> {
    program: &'s Path,
    folder: &'s Path,
}

impl<'s> Scene<'s> {
    /// Makes keys and a proof of the shipped example.
    pub fn new(program: &'s Path, folder: &'s Path, example: &Path) -> Result<Self> {
        let scene = Self { program, folder };
        for name in ["model.onnx", "seven.png"] {
            fs::copy(example.join(name), scene.path(name))?;
        }
        let setup = [
            "setup",
            "model.onnx",
            "--out",
            "keys",
            "--input-range",
            "0,1",
        ];
        scene.honest(&[&setup[..], &["--optimize", "onchain"]].concat())?;
        scene.honest(&[
            "prove",
            "seven.png",
            "--keys",
            "keys",
            "--out",
            "proof.zkml",
        ])?;
        Ok(scene)
    }

    /// All forged files of all kinds.
    pub fn run(&self) -> Result<Vec<Case>> {
        let mut cases = proofs::cases(self)?;
        cases.extend(trust::cases(self)?);
        cases.extend(sizes::cases(self)?);
        Ok(cases)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What a verifier reads of a folder of keys.
    fn verifying(&self, keys: &str) -> Result<Verifying> {
        let ui = Ui::new(&Global {
            json: false,
            verbose: 0,
            quiet: true,
        });
        KeyFolder(self.path(keys)).verifying(&SrsArgs::default(), &ui)
    }

    fn srs(&self) -> Result<Srs> {
        Ok(Srs::load(&self.path("keys/verifying.srs"))?)
    }

    /// Runs a command in the folder.
    pub fn zkml(&self, arguments: &[&str]) -> Result<Ended> {
        self.zkml_with(arguments, "cache")
    }

    fn zkml_with(&self, arguments: &[&str], cache: &str) -> Result<Ended> {
        let mut command = Command::new(self.program);
        command.args(arguments).env("ZKML_CACHE", self.path(cache));
        self.ended(command)
    }

    fn ended(&self, mut command: Command) -> Result<Ended> {
        let log = self.path("said");
        let out = fs::File::create(&log)?;
        let start = Instant::now();
        let mut child = command
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let code = loop {
            match child.try_wait()? {
                Some(status) => break Some(status.code().unwrap_or(-1)),
                None if start.elapsed() > LIMIT => {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let wall = start.elapsed();
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(Ended { code, said, wall })
    }

    /// Runs a command that must succeed.
    fn honest(&self, arguments: &[&str]) -> Result<()> {
        let ended = self.zkml(arguments)?;
        ensure!(ended.code == Some(0), "{arguments:?}: {}", ended.said);
        Ok(())
    }

    /// Runs a command on a forged file, which it must refuse, and not by an accident.
    fn forged(&self, name: &'static str, arguments: &[&str]) -> Result<Case> {
        Ok(self.zkml(arguments)?.case(name))
    }
}

impl Ended {
    fn case(self, name: &'static str) -> Case {
        let refused = matches!(self.code, Some(1 | 3 | 4)) && !self.said.contains("internal error");
        Case {
            name,
            accepted: !refused,
            said: format!("{:?}: {}", self.code, self.said),
        }
    }
}

/// Changes a file of JSON.
fn change_json(path: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut value: Value =
        serde_json::from_slice(&fs::read(path)?).with_context(|| path.display().to_string())?;
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value)?)?;
    Ok(())
}
