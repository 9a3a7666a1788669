//! The commands in the documentation, run as a reader runs them, and its formulas.
//!
//! In README.md and docs/*.md, `zkml` commands stand in blocks marked `sh` (one a line) or
//! `console` (after `$ `, with their output). All are run in one folder that has
//! `examples/digits`, README.md first, then the pages by name. A comment `# exits N` names an
//! exit code other than 0. The lines of output must be found in what the command prints, in
//! order; `…` stands for anything. Blocks marked `sh anvil` need a node: `tests/chain` runs them. Blocks
//! marked `sh no-run` are left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
mod support;

use halo2_proofs::halo2curves::bn256::Fr;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{
    digits,
    guide::{steps, Step, Style},
};
use zkml_graph::Op;
use zkml_model::prove::{Architecture, Exposure, Proof};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, then the pages by name.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("docs/")
        .map(|entry| entry.expect("an entry of docs/").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages
}

/// The commands of one page that need no node.
fn commands(page: &Path) -> Vec<Step> {
    steps(page, |info| match info {
        "console" => Some(Style::Console),
        "sh" => Some(Style::Plain),
        _ => None,
    })
}

/// Whether `line` is `pattern`, in which `…` stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((first, mut rest)) = pattern.split_once('…') else {
        return pattern.trim_end() == line.trim_end();
    };
    let Some(mut line) = line.strip_prefix(first) else {
        return false;
    };
    while let Some((piece, after)) = rest.split_once('…') {
        let Some(at) = line.find(piece) else {
            return false;
        };
        (line, rest) = (&line[at + piece.len()..], after);
    }
    line.ends_with(rest)
}

#[test]
fn patterns() {
    assert!(matches("wrote … (… bytes)", "wrote keys/a (12 bytes)"));
    assert!(matches("…", ""));
    assert!(!matches("class: 7", "class: 8"));
    assert!(!matches("a…c", "ab"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("examples/digits") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}

#[test]
fn documented_commands_do_what_is_documented() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(
        &root().join("examples/digits"),
        &folder.path().join("examples/digits"),
    );
    let mut count = 0;
    for step in pages().iter().flat_map(|page| commands(page)) {
        let out = Command::new(env!("CARGO_BIN_EXE_zkml"))
            .args(&step.arguments)
            .current_dir(folder.path())
            .env(
                "ZKML_CACHE",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
            )
            .env_remove("ZKML_LOG")
            .stdin(Stdio::null())
            .output()
            .expect("zkml starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let printed = text(&out.stdout) + &text(&out.stderr);
        assert_eq!(
            out.status.code(),
            Some(step.code),
            "{}\n{printed}",
            step.place
        );
        let mut lines = printed.lines();
        for pattern in &step.output {
            assert!(
                lines.any(|line| matches(pattern, line)),
                "{}\nno line '{pattern}' in\n{printed}",
                step.place
            );
        }
        count += 1;
    }
    assert!(count > 5, "only {count} commands in the documentation");
}

/// docs/statement.md: `word i = Σ_t 2^(bits·(S−1−t))·(x[i·S + t] − lo)`.
fn words(values: &[i64], lo: i64, bits: u32, m: usize) -> Vec<Fr> {
    let two = Fr::from(2);
    let shift = (0..bits).fold(Fr::one(), |power, _| power * two);
    let s = values.len().div_ceil(m);
    (0..m)
        .map(|i| {
            (0..s).fold(Fr::zero(), |word, t| {
                let value = values.get(i * s + t).copied().unwrap_or(0.max(lo));
                word * shift + Fr::from((value - lo) as u64)
            })
        })
        .collect()
}

/// docs/statement.md: bits and number of words.
fn packing(elements: usize, lo: i64, hi: i64, columns: usize) -> (u32, usize) {
    let bits = ((hi - lo + 1) as u64).next_power_of_two().trailing_zeros();
    let per_word = (253 / bits) as usize;
    (bits, elements.div_ceil(per_word * columns) * columns)
}

#[test]
fn public_values_are_packed_as_documented() {
    let (model, image) = digits();
    for (goal, count) in [("prove", 2 + 35 + 5), ("onchain", 2 + 35 + 1)] {
        let folder = support::Folder::new();
        let (keys, proof) = (folder.path("keys"), folder.path("proof.zkml"));
        for command in [
            &[
                "setup",
                &model,
                "--out",
                &keys,
                "--input-range",
                "0,1",
                "--optimize",
                goal,
            ][..],
            &[
                "prove",
                &image,
                "--keys",
                &keys,
                "--out",
                &proof,
                "--context",
                "0x2a",
            ],
        ] {
            let out = support::Zkml::new().args(command).run();
            assert_eq!(out.code, 0, "{}", out.stderr);
        }
        let config = PathBuf::from(&keys).join("config.json");
        let architecture = Architecture::load(&config).expect("an architecture");
        let form = architecture.form().expect("a form");
        let statement = Proof::load(proof.as_ref()).expect("a proof").statement;

        let graph = &architecture.graph;
        let columns = architecture.shape.data;
        let (Exposure::Public(input), Exposure::Public(output)) =
            (&statement.inputs[0], &statement.outputs[0])
        else {
            panic!("both are public")
        };
        let last = graph.nodes.last().expect("a node");
        assert!(matches!(last.op, Op::Linear { clamp: None, .. }));
        let mut expected = vec![statement.commitment.0, statement.context.0];
        for (values, range) in [
            (input, graph.tensors[graph.inputs[0].0].range),
            (output, last.pre),
        ] {
            let (bits, m) = packing(values.len(), range.lo, range.hi, columns);
            expected.extend(words(values, range.lo, bits, m));
        }
        assert_eq!(expected.len(), count);
        assert_eq!(statement.instances(&form).expect("instances"), expected);
    }
}
