//! No command line loses a file, and none shows a secret: every file argument of every command, taken from the parser's
//! own definition, against every file that there may be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "../support/onnx.rs"]
mod onnx;
mod scene;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
mod table;

use scene::{scene, zkml, CIPHERTEXT, KEY, PASSWORD};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{symlink, MetadataExt},
    path::Path,
};
use support::Folder;
use table::{commands, line, paths, In, Into, Made, Out, Without, COMMANDS};

/// Every file of a folder and of its folders, links left out: its path, its bytes and its mode.
fn snapshot(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            let mode = fs::metadata(&path).unwrap().mode();
            found.insert(path.display().to_string(), (fs::read(&path).unwrap(), mode));
        }
    }
    found
}

#[test]
fn every_path_of_every_command_is_in_the_table() {
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in COMMANDS {
        let ids = case.roles.iter().map(|role| role.0).collect();
        known.insert(case.command, ids);
    }
    let commands = commands();
    let defined = commands.iter().map(|(name, command)| {
        let ids: Vec<&str> = paths(command)
            .iter()
            .map(|arg| arg.get_id().as_str())
            .collect();
        (name.as_str(), ids)
    });
    for (name, mut ids) in defined {
        let mut expected = known.remove(name).unwrap_or_default();
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected, "{name}: say what it does with its files");
    }
    assert!(known.is_empty(), "{known:?}");
}

/// A command line that must be refused with a word about the place, and leave everything as it was.
fn refused(
    folder: &Folder,
    words: &[String],
    place: &str,
    before: &BTreeMap<String, (Vec<u8>, u32)>,
) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let out = zkml(folder, &words);
    assert_eq!(out.code, 1, "{words:?}: {}{}", out.stdout, out.stderr);
    assert!(out.stderr.contains(place), "{words:?}: {}", out.stderr);
    let after = snapshot(folder.path("").as_ref());
    for (path, content) in before {
        assert!(after.get(path) == Some(content), "{words:?} lost {path}");
    }
    let new: Vec<&String> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert!(new.is_empty(), "{words:?} left {new:?}");
}

/// The names of a scene's files.
fn names(folder: &Folder, before: &BTreeMap<String, (Vec<u8>, u32)>) -> Vec<String> {
    let root = folder.path("");
    let relative = |path: &String| path.strip_prefix(&root).unwrap().to_owned();
    before.keys().map(relative).collect()
}

/// Other names of a file: through folders, by a link of either kind.
fn spellings(folder: &Folder, name: &str) -> Vec<String> {
    let flat = name.replace('/', "-");
    let (soft, hard) = (format!("links/soft-{flat}"), format!("links/hard-{flat}"));
    symlink(folder.path(name), folder.path(&soft)).unwrap();
    fs::hard_link(folder.path(name), folder.path(&hard)).unwrap();
    let absolute = folder.path(name);
    let around = format!("keys/../contract/.././{name}");
    vec![name.to_owned(), around, absolute, soft, hard]
}

#[test]
fn no_output_takes_a_file_away() {
    let folder = scene();
    let before = snapshot(folder.path("").as_ref());
    let files = names(&folder, &before);
    assert!(files.len() > 24, "{files:?}");
    let commands = commands();
    for case in COMMANDS {
        let definition = &commands[case.command];
        for (id, role) in case.roles {
            let own = match role {
                Out(own) => *own,
                Made => &[],
                In(_) | Without | Into(_) => continue,
            };
            for name in &files {
                let is_own = own.iter().any(|end| name.ends_with(end));
                if is_own && !name.starts_with("keys/") {
                    continue;
                }
                let mut spelled = spellings(&folder, name);
                if is_own {
                    // By a hard link it is a file like others, of which that name is another's from now on.
                    spelled.pop();
                }
                let with_links = snapshot(folder.path("").as_ref());
                for place in &spelled {
                    let words = line(case, definition, &[(id, place)]);
                    refused(&folder, &words, place, &with_links);
                }
                for link in ["soft", "hard"] {
                    let link = format!("links/{link}-{}", name.replace('/', "-"));
                    fs::remove_file(folder.path(&link)).unwrap();
                }
            }
            // What the command reads is safe from it whatever it is, and what it writes, from its other results.
            for name in files.iter().map(String::as_str).chain(["absent"]) {
                for (other, role) in case.roles.iter().filter(|other| other.0 != *id) {
                    if name == "absent" && !matches!(role, Out(_) | Made) {
                        continue;
                    }
                    let words = line(case, definition, &[(id, name), (other, name)]);
                    refused(&folder, &words, name, &before);
                }
            }
        }
    }
}

#[test]
fn no_folder_of_results_takes_a_file_away() {
    let folder = scene();
    let files = names(&folder, &snapshot(folder.path("").as_ref()));
    let commands = commands();
    fs::create_dir(folder.path("victim")).unwrap();
    for case in COMMANDS {
        let definition = &commands[case.command];
        let into = case.roles.iter().find_map(|(id, role)| match role {
            Into(names) => Some((id, names)),
            In(_) | Without | Out(_) | Made => None,
        });
        let Some((id, results)) = into else {
            continue;
        };
        for (result, own) in *results {
            for name in &files {
                let place = format!("victim/{result}");
                fs::copy(folder.path(name), folder.path(&place)).unwrap();
                let before = snapshot(folder.path("").as_ref());
                if !name.ends_with(own) {
                    let words = line(case, definition, &[(id, "victim")]);
                    refused(&folder, &words, "victim", &before);
                }
                for (other, _) in case.roles.iter().filter(|other| other.0 != *id) {
                    let words = line(case, definition, &[(id, "victim"), (other, &place)]);
                    refused(&folder, &words, "victim", &before);
                }
                fs::remove_file(folder.path(&place)).unwrap();
            }
        }
    }
}

#[test]
fn keys_that_are_to_be_made_take_no_names_of_others() {
    let folder = scene();
    let aggregate = "aggregate proof.zkml --keys keys --srs dev.srs --out";
    let generate = "evm generate --keys keys --mode aggregate --name C --out contract --key";
    fs::rename(folder.path("keys/weights.opening"), folder.path("mine")).unwrap();
    let before = snapshot(folder.path("").as_ref());
    for (words, place) in [
        // The name that an aggregation key has unless another is given.
        (
            format!("{aggregate} keys/aggregation-1.key"),
            "aggregation-1.key",
        ),
        // A name of the folder of keys that is free, as in a verifier's.
        (
            format!("{aggregate} new --key keys/weights.opening"),
            "weights.opening",
        ),
        (
            format!("{aggregate} keys/weights.opening"),
            "weights.opening",
        ),
        (format!("{generate} contract/C.json"), "C.json"),
        (format!("{generate} contract/../contract/C.sol"), "C.sol"),
        (
            format!("{generate} keys/weights.opening"),
            "weights.opening",
        ),
    ] {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        refused(&folder, &words, place, &before);
    }
}

/// Pieces of a text, any of which would tell something.
fn pieces(text: &str, length: usize) -> Vec<&str> {
    let ends = 0..text.len().saturating_sub(length - 1);
    ends.filter_map(|at| text.get(at..at + length)).collect()
}

#[test]
fn no_command_shows_a_secret_that_it_was_given_for_something_else() {
    let folder = scene();
    let salts = fs::read_to_string(folder.path("proof.zkml.salts.json")).unwrap();
    let salt = salts
        .split('"')
        .find(|part| part.starts_with("0x"))
        .unwrap();
    let opening = fs::read(folder.path("keys/weights.opening")).unwrap();
    // What of it is text.
    let opening: String = opening[20..].iter().map(|byte| char::from(*byte)).collect();
    fs::write(folder.path("salt.txt"), salt).unwrap();
    fs::write(folder.path("field.json"), format!("{{\"{PASSWORD}\": 1}}")).unwrap();
    fs::write(folder.path("text.json"), format!("\"{PASSWORD}\"")).unwrap();
    // What is printed has random hexadecimal digits, and salts are random, too.
    let secrets: [(&str, Vec<&str>); 9] = [
        ("password", pieces(PASSWORD, 6)),
        ("field.json", pieces(PASSWORD, 6)),
        ("text.json", pieces(PASSWORD, 6)),
        ("private.hex", pieces(&KEY[2..], 8)),
        ("seed.hex", pieces(&KEY[2..], 8)),
        ("keystore.json", pieces(CIPHERTEXT, 8)),
        ("proof.zkml.salts.json", pieces(&salt[2..], 10)),
        ("salt.txt", pieces(&salt[2..], 10)),
        ("keys/weights.opening", pieces(&opening, 6)),
    ];
    let commands = commands();
    for case in COMMANDS {
        let definition = &commands[case.command];
        for (id, role) in case.roles {
            if matches!(role, Out(_) | Into(_)) {
                continue;
            }
            for (name, pieces) in &secrets {
                // An input file's names are no secret: which there are is said.
                if (*id, *name) == ("input", "field.json") {
                    continue;
                }
                let words = line(case, definition, &[(id, name)]);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                for more in [["--json"], ["-vvv"]] {
                    let out = zkml(&folder, &[&words[..], &more].concat());
                    assert!(
                        ![2, 101, 134].contains(&out.code),
                        "{words:?}: {}",
                        out.stderr
                    );
                    let said = out.stdout + &out.stderr;
                    for piece in pieces {
                        assert!(!said.contains(piece), "{words:?}: {piece}: {said}");
                    }
                }
            }
        }
    }
    for (name, pieces) in &secrets {
        let out = zkml(&folder, &["evm", "inspect", name]);
        let said = out.stdout + &out.stderr;
        for piece in pieces {
            assert!(!said.contains(piece), "evm inspect {name}: {piece}: {said}");
        }
    }
}
