//! Running the program, and what to run it on.

// Helpers of tests may fail as tests do; clippy only knows functions marked as tests.
#![allow(clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
pub mod anvil;
#[allow(dead_code)]
pub mod explorer;
#[allow(dead_code)]
pub mod guide;
#[allow(dead_code)]
pub mod listener;
#[allow(dead_code)]
pub mod proxy;

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A run of the program that is being put together.
pub struct Zkml(Command);

/// How a run ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Zkml {
    /// The program, with a cache of its own for the whole test binary's build folder.
    pub fn new() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zkml"));
        command.env(
            "ZKML_CACHE",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        );
        for variable in [
            "ZKML_LOG",
            "ETH_RPC_URL",
            "ZKML_PRIVATE_KEY",
            "ZKML_ETHERSCAN_KEY",
        ] {
            command.env_remove(variable);
        }
        Self(command)
    }

    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    #[allow(dead_code)]
    pub fn env(mut self, variable: &str, value: &str) -> Self {
        self.0.env(variable, value);
        self
    }

    #[allow(dead_code)]
    pub fn current_dir(mut self, folder: &str) -> Self {
        self.0.current_dir(folder);
        self
    }

    pub fn run(mut self) -> Run {
        let out = self.0.stdin(Stdio::null()).output().expect("zkml starts");
        Run {
            code: out.status.code().expect("an exit code, not a signal"),
            stdout: String::from_utf8(out.stdout).expect("UTF-8"),
            stderr: String::from_utf8(out.stderr).expect("UTF-8"),
        }
    }

    /// Runs it with a reader that hangs up at once.
    #[allow(dead_code)]
    pub fn run_with_closed_stdout(mut self) -> Run {
        self.0
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.0.spawn().expect("zkml starts");
        drop(child.stdout.take());
        let out = child.wait_with_output().expect("zkml ends");
        Run {
            code: out.status.code().expect("an exit code, not a signal"),
            stdout: String::new(),
            stderr: String::from_utf8(out.stderr).expect("UTF-8"),
        }
    }
}

/// The one object that `--json` prints.
pub fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr))
}

/// A field that is a string.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// A folder that goes away with the test.
pub struct Folder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Folder {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self {
            path: temporary.path().to_owned(),
            _temporary: Some(temporary),
        }
    }

    /// An empty one in the build folder, for what all tests of a binary share: nobody takes that away at the end.
    #[allow(dead_code)]
    pub fn lasting(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self {
            path,
            _temporary: None,
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

/// The shipped model and image.
pub fn digits() -> (String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/digits");
    let path = |name: &str| folder.join(name).display().to_string();
    (path("model.onnx"), path("seven.png"))
}

/// zkml's MNIST model and input, where they are.
#[allow(dead_code)]
pub fn known_answer() -> Option<(String, String)> {
    let shared = std::env::var_os("ZKML_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = shared.join("data/zkml/mnist");
    if !folder.is_dir() {
        println!(
            "skipped: {} is not there (set ZKML_SHARED)",
            folder.display()
        );
        return None;
    }
    let path = |name: &str| folder.join(name).display().to_string();
    Some((path("model.msgpack"), path("inp.msgpack")))
}
