//! Data flows one way, and so do dependencies: no files of a crate use each other in a circle, and no folder uses a
//! later one.
//!
//! An arrow goes from a file to the one that defines what it names by a path of its crate. What a folder's own file
//! defines belongs to the folder, so there is no arrow to it from inside; nor is there one for what it only hands on.

#[path = "flow/arrows.rs"]
mod arrows;

use arrows::{arrows, circles, Sources};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The file that each crate starts with.
const CRATES: &[&str] = &[
    "circuits/files/src/lib.rs",
    "circuits/graph/src/lib.rs",
    "circuits/import/src/lib.rs",
    "circuits/plonk/src/lib.rs",
    "circuits/srs/src/lib.rs",
    "circuits/model/src/lib.rs",
    "circuits/aggregation/src/lib.rs",
    "evm-verifier/src/lib.rs",
    "src/lib.rs",
    "benches/main.rs",
    "fuzz/main.rs",
];

/// Folders of a crate, each of which uses those before it only.
const ORDER: &[(&str, &[&str])] = &[(
    "circuits/model/src/lib.rs",
    &[
        "hash", "layout", "circuit", "gas", "planner", "sketch", "prove",
    ],
)];

struct Checkout;

impl Sources for Checkout {
    fn read(&self, file: &Path) -> Option<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join(file)).ok()
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for start in CRATES {
        let arrows = arrows(&Checkout, Path::new(start)).unwrap();
        let files: usize = arrows.len();
        assert!(files > 5, "{start}: expected its files, got {files}");
        for circle in circles(&arrows) {
            let ties = circle.iter().flat_map(|from| {
                let inside = arrows[from].iter().filter(|(to, _)| circle.contains(to));
                inside.map(move |(to, names)| {
                    format!("  {} -> {}: {names:?}", from.display(), to.display())
                })
            });
            found.push(ties.collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(
        found.is_empty(),
        "{} circles:\n{}",
        found.len(),
        found.join("\n\n")
    );
}

#[test]
fn no_folder_uses_a_later_one() {
    let mut against = Vec::new();
    for (start, order) in ORDER {
        let folder = Path::new(start).parent().expect("a folder");
        let place = |file: &Path| {
            let inside = file.strip_prefix(folder).ok()?;
            let first = Path::new(inside.components().next()?.as_os_str()).with_extension("");
            Some((
                first.clone(),
                order.iter().position(|name| first == Path::new(name)),
            ))
        };
        for (from, all) in &arrows(&Checkout, Path::new(start)).unwrap() {
            for (to, names) in all {
                let (Some((one, a)), Some((other, b))) = (place(from), place(to)) else {
                    continue;
                };
                if one != other && from != Path::new(start) && (a.is_none() || b.is_none() || b > a)
                {
                    against.push(format!("{} -> {}: {names:?}", from.display(), to.display()));
                }
            }
        }
    }
    assert!(
        against.is_empty(),
        "against the flow:\n{}",
        against.join("\n")
    );
}

/// Files in memory.
struct Given(BTreeMap<PathBuf, &'static str>);

impl Sources for Given {
    fn read(&self, file: &Path) -> Option<String> {
        self.0.get(file).map(|text| (*text).to_owned())
    }
}

fn circles_of(files: &[(&str, &'static str)]) -> Result<Vec<Vec<PathBuf>>, String> {
    let files = files
        .iter()
        .map(|(file, text)| (PathBuf::from(file), *text));
    let arrows = arrows(&Given(files.collect()), Path::new("lib.rs"))?;
    Ok(circles(&arrows))
}

#[test]
fn circles_are_found() {
    let two = |a, b| {
        circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b)])
            .unwrap()
            .len()
    };
    assert_eq!(two("use crate::b::B; pub struct A(B);", "pub struct B;"), 0);
    assert_eq!(
        two(
            "use crate::b::B; pub struct A(B);",
            "pub struct B; use super::a::A;"
        ),
        1
    );
    assert_eq!(
        two(
            "use crate::b::B as C; pub struct A(C);",
            "fn f(_: crate::a::A) {}"
        ),
        1
    );
    assert_eq!(
        two(
            "use crate::b; fn f() { b::g() }",
            "use crate::a::*; pub fn g() {}"
        ),
        1
    );
    assert_eq!(
        two(
            "fn f() { super::b::g() }",
            "pub fn g() { assert!(crate::a::f()) }"
        ),
        1
    );
    // What tests use is no arrow.
    let tests = "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }";
    assert_eq!(two("use crate::b::B; pub struct A(B);", tests), 0);
}

#[test]
fn what_is_handed_on_is_followed_and_a_folder_has_its_own_file() {
    let circles = circles_of(&[
        ("lib.rs", "mod a; mod c;"),
        ("a/mod.rs", "mod b; pub use b::B; pub struct Shared;"),
        (
            "a/b.rs",
            "use super::Shared; use crate::c::C; pub struct B(C);",
        ),
        ("c.rs", "use crate::a::B; pub struct C;"),
    ]);
    assert_eq!(circles.unwrap(), [["a/b.rs", "c.rs"].map(PathBuf::from)]);
}
