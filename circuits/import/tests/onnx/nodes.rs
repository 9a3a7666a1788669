//! The ONNX project's node tests: `scripts/onnx-tests` fetches them. Each is supported and right,
//! or refused with one error; how many of each operator are right is in docs/conformance.md,
//! and may not fall.
//!
//! A result is right if every real number is within 16/scale·(1 + |expected|) + |expected|/256 of
//! what is expected (eight units of rounding, and what a relative error of the tables makes of large
//! numbers), and every integer and boolean is exact.

use super::support::{
    bound, fields, input_names, input_types, integers, range, tensor, Outcome, Tensor, SCALES,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zkml_import::ImportOptions;

/// Where `scripts/onnx-tests` puts them.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("ZKML_ONNX_TESTS").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = named.or_else(|| Some(cache?.join("zkml/onnx-1.16.2/node")))?;
    folder.is_dir().then_some(folder)
}

fn near(got: f64, expected: f64, scale: i64) -> bool {
    if got == expected {
        return true;
    }
    let size = expected.abs();
    (got - expected).abs() <= 16.0 / scale as f64 * (1.0 + size) + size / 256.0
}

/// One way to give the inputs: those that `constant` chooses are part of the model.
fn attempt(
    model: &[u8],
    names: &[Vec<u8>],
    inputs: &[Tensor],
    expected: &[Tensor],
    constant: &dyn Fn(usize) -> bool,
) -> Outcome {
    let mut bytes = model.to_vec();
    let (mut free, mut fixed) = (Vec::new(), 0);
    for (i, (name, input)) in names.iter().zip(inputs).enumerate() {
        if constant(i) {
            bytes = bound(&bytes, name, &input.bytes);
            fixed += 1;
        } else {
            free.push(input.values.clone());
        }
    }
    let mut last = Outcome::Refused("no scale".to_owned());
    for scale in SCALES {
        let options = ImportOptions {
            scale: Some(scale),
            input_range: Some(range(&free)),
            ..ImportOptions::default()
        };
        let outputs = match integers(&bytes, &options, &free) {
            Ok(outputs) => outputs,
            Err(error) => {
                if !matches!(last, Outcome::Wrong(_)) {
                    last = Outcome::Refused(error);
                }
                continue;
            }
        };
        let mut wrong = None;
        for (at, (expected, (got, real))) in expected.iter().zip(&outputs).enumerate() {
            let fits = |(g, e): (&f64, &f64)| if *real { near(*g, *e, scale) } else { g == e };
            if got.len() != expected.values.len() {
                wrong = Some(format!(
                    "output {at}: {} values for {}",
                    got.len(),
                    expected.values.len()
                ));
            } else if let Some((g, e)) = got.iter().zip(&expected.values).find(|&pair| !fits(pair))
            {
                wrong = Some(format!("output {at}, scale {scale}: {g} for {e}"));
            }
        }
        match wrong {
            None if fixed == 0 => return Outcome::Passed,
            None if free.is_empty() => return Outcome::Folded,
            None => return Outcome::WithConstants,
            Some(text) => last = Outcome::Wrong(text),
        }
    }
    last
}

fn files(folder: &Path, kind: &str, types: &[u64]) -> Result<Vec<Tensor>, String> {
    let mut found = Vec::new();
    for i in 0usize.. {
        let path = folder.join(format!("test_data_set_0/{kind}_{i}.pb"));
        if !path.exists() {
            break;
        }
        found.push(tensor(&path, types.get(i).copied().unwrap_or(0))?);
    }
    Ok(found)
}

/// The best that can be made of a test: with all inputs computed, or with those that are no real
/// numbers as constants, or all but the first, or all.
fn outcome(folder: &Path) -> Outcome {
    let model = std::fs::read(folder.join("model.onnx")).unwrap();
    let names = input_names(&model);
    let declared = input_types(&model);
    let ty = |name: &Vec<u8>| declared.iter().find(|d| d.0 == *name).map_or(0, |d| d.1);
    let types: Vec<u64> = names.iter().map(ty).collect();
    let read = (files(folder, "input", &types), files(folder, "output", &[]));
    let (inputs, expected) = match read {
        (Ok(inputs), Ok(expected)) => (inputs, expected),
        (Err(error), _) | (_, Err(error)) => return Outcome::Refused(error),
    };
    let ways: [&dyn Fn(usize) -> bool; 4] = [
        &|_| false,
        &|i| inputs.get(i).is_some_and(|t| !t.real),
        &|i| i > 0,
        &|i| i > 0 || !inputs.first().is_some_and(|t| t.real),
    ];
    let mut first = None;
    for way in ways {
        let outcome = attempt(&model, &names, &inputs, &expected, way);
        if outcome.is_right() {
            return outcome;
        }
        let worse = matches!(
            (&first, &outcome),
            (Some(Outcome::Refused(_)), Outcome::Wrong(_))
        );
        if first.is_none() || worse {
            first = Some(outcome);
        }
    }
    first.unwrap_or(Outcome::Refused("nothing".to_owned()))
}

/// The operator that a test is about: of the only node, or what its name says.
fn operator(folder: &Path) -> String {
    let model = std::fs::read(folder.join("model.onnx")).unwrap();
    let mut operators = Vec::new();
    for (_, graph, _) in fields(&model).into_iter().filter(|f| f.0 == 7) {
        for (_, node, _) in fields(graph).into_iter().filter(|f| f.0 == 1) {
            let part = |number| fields(node).into_iter().find(|f| f.0 == number);
            let text = part(4).map(|f| String::from_utf8_lossy(f.1).into_owned());
            operators.push(text.unwrap_or_default());
        }
    }
    match operators.as_slice() {
        [one] => one.clone(),
        _ => "(several)".to_owned(),
    }
}

/// Numbers of tests.
#[derive(Default, Clone, Copy)]
pub struct Count {
    pub passed: usize,
    pub constant: usize,
    pub folded: usize,
    pub supported: usize,
    pub total: usize,
}

/// All tests: numbers by operator and together, and a line for each.
pub struct Measured {
    pub table: BTreeMap<String, Count>,
    pub all: Count,
    pub log: String,
}

/// Runs the tests in a folder whose names contain a text.
pub fn measure(folder: &Path, only: &str) -> Measured {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut tests: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    tests.retain(|test| test.join("model.onnx").exists());
    tests.retain(|test| test.to_string_lossy().contains(only));
    tests.sort();
    let mut table: BTreeMap<String, Count> = BTreeMap::new();
    let (mut all, mut log) = (Count::default(), String::new());
    for test in &tests {
        let outcome = std::panic::catch_unwind(|| outcome(test))
            .unwrap_or_else(|_| panic!("{} panics", test.display()));
        let name = test.file_name().unwrap().to_string_lossy();
        log.push_str(&format!("{name}: {outcome:?}\n"));
        for count in [table.entry(operator(test)).or_default(), &mut all] {
            count.total += 1;
            count.supported += usize::from(!matches!(outcome, Outcome::Refused(_)));
            count.passed += usize::from(outcome.is_right());
            count.constant += usize::from(outcome == Outcome::WithConstants);
            count.folded += usize::from(outcome == Outcome::Folded);
        }
    }
    Measured { table, all, log }
}
