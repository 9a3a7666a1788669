//! Numbers out of files that are too large, and files that are none.

use super::{change_json, Case, Scene};
use anyhow::{ensure, Result};
use serde_json::json;
use std::{fs, process::Command};

/// CPU seconds that a command may take: what else the machine does is no matter.
const SECONDS: usize = 5;
/// Kilobytes of address space, of which a program with threads takes more than it uses.
const SPACE: usize = 1 << 20;

/// The cases.
pub fn cases(scene: &Scene<'_>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    fs::create_dir_all(scene.path("wide"))?;
    for (name, lo, hi) in [
        ("an output's range from -2^63", json!(i64::MIN), json!(7)),
        (
            "an output's range of all integers",
            json!(i64::MIN),
            json!(i64::MAX),
        ),
    ] {
        for file in ["config.json", "verifying.key", "verifying.srs"] {
            fs::copy(scene.path("keys").join(file), scene.path("wide").join(file))?;
        }
        change_json(&scene.path("wide/config.json"), |config| {
            let output = config["graph"]["outputs"][0].as_u64().unwrap_or(0) as usize;
            config["graph"]["tensors"][output]["range"] = json!({ "lo": lo, "hi": hi });
        })?;
        cases.push(within(
            scene,
            name,
            &["verify", "proof.zkml", "--keys", "wide"],
            true,
        )?);
    }
    // One operator over an image of 2^22 elements: whatever is answered, it is answered soon.
    let path = scene.path("large.onnx");
    for bits in [16, 20, 22] {
        fs::write(&path, relu(1 << bits))?;
        cases.push(within(
            scene,
            "one Relu of many elements",
            &["inspect", "large.onnx"],
            false,
        )?);
    }
    // A list of 16 million numbers for an input of 784.
    let numbers = ["0", &",1".repeat(16 << 20)].concat();
    let run = ["run", "model.onnx", "large.json", "--input-range", "0,1"];
    fs::write(scene.path("large.json"), format!("[{numbers}]"))?;
    cases.push(within(scene, "more numbers than an input has", &run, true)?);
    // One number of 5 million digits.
    fs::write(
        scene.path("large.json"),
        format!("[\"{}\"]", "9".repeat(5 << 20)),
    )?;
    cases.push(within(scene, "a number of megabytes", &run, true)?);
    fs::remove_file(scene.path("large.json"))?;
    #[cfg(unix)]
    for name in ["dev.seed", "dev-k10.srs"] {
        let cache = scene.path("pipes");
        let _ = fs::remove_dir_all(&cache);
        fs::create_dir_all(&cache)?;
        let made = Command::new("mkfifo").arg(cache.join(name)).status()?;
        ensure!(made.success(), "mkfifo");
        let ended = scene.zkml_with(&["srs", "dev", "--k", "10", "--out", "made.srs"], "pipes")?;
        // A pipe in place of an SRS is replaced, one in place of the seed is an error.
        let done = ended.code == Some(0) && name != "dev.seed";
        let mut case = ended.case("a pipe in the cache");
        case.accepted &= !done;
        cases.push(case);
    }
    Ok(cases)
}

/// Runs a command, which must end in time and within its memory, without an echo of the file.
fn within(
    scene: &Scene<'_>,
    name: &'static str,
    arguments: &[&str],
    refused: bool,
) -> Result<Case> {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("ulimit -v {SPACE}; ulimit -t {SECONDS}; exec \"$0\" \"$@\""),
        ])
        .arg(scene.program)
        .args(arguments)
        .env("ZKML_CACHE", scene.path("cache"))
        .env("RAYON_NUM_THREADS", "2");
    let ended = scene.ended(command)?;
    let good = !refused && ended.code == Some(0);
    let soon = ended.said.len() < 10_000;
    let wall = ended.wall;
    let mut case = ended.case(name);
    case.accepted = !soon || (case.accepted && !good);
    case.said = format!("{:.1} s, {:.2000}", wall.as_secs_f64(), case.said);
    Ok(case)
}

/// An ONNX model with one Relu.
fn relu(elements: u64) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, bytes.len() as u8];
        out.extend(bytes);
        out
    };
    let varint = |mut value: u64| {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let value = |name: &[u8]| {
        let size = |size: u64| field(1, &[vec![0x08], varint(size)].concat());
        let shape = field(2, &[size(1), size(elements)].concat());
        let tensor = field(1, &[vec![0x08, 1], shape].concat());
        [field(1, name), field(2, &tensor)].concat()
    };
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Relu")].concat();
    let graph = [
        field(1, &node),
        field(11, &value(b"x")),
        field(12, &value(b"y")),
    ]
    .concat();
    let opset = field(8, &[0x10, 17]);
    [vec![0x08, 8], field(7, &graph), opset].concat()
}
