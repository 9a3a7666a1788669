//! All arguments of all commands that are files or folders, and command lines with them.

use clap::{builder::ValueParser, Arg, Command, CommandFactory};
use std::collections::BTreeMap;
use zkml_cli::cli::Cli;
pub use Role::{In, Into, Made, Out, Without};

/// What a command does with the file or folder that an argument names.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// It reads it: this one.
    In(&'static str),
    /// It reads it, and does without.
    Without,
    /// It writes a file, and replaces those of its own kind: those whose names end so, in this test.
    Out(&'static [&'static str]),
    /// It writes files of these names into a folder, each of which may replace one.
    Into(&'static [(&'static str, &'static str)]),
    /// It reads a file, which it writes where there is none.
    Made,
}
/// What `setup` writes, and what there is of the same kind.
const KEYS: &[(&str, &str)] = &[
    ("proving.key", "proving.key"),
    ("verifying.key", "verifying.key"),
    ("verifying.srs", ".srs"),
    ("weights.opening", "weights.opening"),
    ("model.commitment", "model.commitment"),
    ("config.json", "config.json"),
];
const CONTRACT: &[(&str, &str)] = &[("C.sol", "Contract.sol"), ("C.json", "Contract.json")];
const NONE: &str = "nothing";
const DEMO: &[(&str, &str)] = &[
    ("model.onnx", NONE),
    ("seven.png", NONE),
    ("proof.zkml", NONE),
    ("keys", NONE),
    ("mine", NONE),
];

/// A command, words that it needs, and all its arguments that are files or folders, by their ids in the parser.
///
/// `evm deploy` keeps records beside the contract, too, each of which it reads before it writes it.
pub struct Case {
    pub command: &'static str,
    pub more: &'static str,
    pub roles: &'static [(&'static str, Role)],
}

pub const COMMANDS: &[Case] = &[
    Case {
        command: "calibrate",
        more: "",
        roles: &[
            ("model", In("model.onnx")),
            ("data", In("samples.npy")),
            ("out", Out(&["settings.json"])),
            ("plot", Out(&["plot.svg"])),
        ],
    },
    Case {
        command: "setup",
        more: "--force",
        roles: &[
            ("model", In("model.onnx")),
            ("settings", In("settings.json")),
            ("files", In("dev.srs")),
            ("out", Into(KEYS)),
        ],
    },
    Case {
        command: "prove",
        more: "",
        roles: &[
            ("input", In("input.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("out", Out(&["proof.zkml"])),
        ],
    },
    Case {
        command: "aggregate",
        more: "",
        roles: &[
            ("proofs", In("proof.zkml")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("out", Out(&[])),
            ("key", Made),
        ],
    },
    Case {
        command: "evm generate",
        more: "--mode aggregate --name C",
        roles: &[
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("solc", Without),
            ("out", Into(CONTRACT)),
            ("key", Made),
        ],
    },
    Case {
        command: "evm calldata",
        more: "--chain-id 31337",
        roles: &[
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("out", Out(&["calldata.hex"])),
        ],
    },
    Case {
        command: "srs import",
        more: "",
        roles: &[("file", In("dev.srs")), ("out", Out(&[".srs"]))],
    },
    Case {
        command: "srs dev",
        more: "-k 6",
        roles: &[("out", Out(&[".srs"]))],
    },
    Case {
        command: "demo",
        more: "mnist --no-aggregate",
        roles: &[("dir", Into(DEMO))],
    },
    Case {
        command: "inspect",
        more: "",
        roles: &[
            ("model", In("model.onnx")),
            ("settings", In("settings.json")),
        ],
    },
    Case {
        command: "run",
        more: "",
        roles: &[
            ("model", In("model.onnx")),
            ("settings", In("settings.json")),
            ("input", In("input.json")),
        ],
    },
    Case {
        command: "eval",
        more: "",
        roles: &[
            ("model", In("model.onnx")),
            ("settings", In("settings.json")),
            ("images", In("samples.npy")),
            ("labels", In("samples.npy")),
        ],
    },
    Case {
        command: "verify",
        more: "",
        roles: &[
            ("proof", In("proof.zkml")),
            ("keys", In("keys")),
            ("input", In("input.json")),
            ("salts", In("proof.zkml.salts.json")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm test",
        more: "",
        roles: &[
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm doctor",
        more: "",
        roles: &[("solc", Without)],
    },
    Case {
        command: "evm inspect",
        more: "keystore.json",
        roles: &[],
    },
    Case {
        command: "evm model-id",
        more: "--create2",
        roles: &[
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm audit",
        more: "0x5FbDB2315678afecb367f032d93F642f64180aa3 --rpc-url http://127.0.0.1:1",
        roles: &[
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm estimate",
        more: "",
        roles: &[
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm deploy",
        more: "--rpc-url http://127.0.0.1:1",
        roles: &[
            ("contract", In("contract/Contract.json")),
            ("keystore", In("keystore.json")),
            ("password_file", In("password")),
        ],
    },
    Case {
        command: "evm register",
        more: "--rpc-url http://127.0.0.1:1",
        roles: &[
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keystore", In("keystore.json")),
            ("password_file", In("password")),
        ],
    },
    Case {
        command: "evm submit",
        more: "--rpc-url http://127.0.0.1:1",
        roles: &[
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
            ("keystore", In("keystore.json")),
            ("password_file", In("password")),
        ],
    },
    Case {
        command: "evm verify",
        more: "--rpc-url http://127.0.0.1:1",
        roles: &[
            ("proof", In("proof.zkml")),
            ("contract", In("contract/Contract.json")),
            ("keys", In("keys")),
            ("files", In("dev.srs")),
        ],
    },
    Case {
        command: "evm verify-source",
        more: "--rpc-url http://127.0.0.1:1 --etherscan http://127.0.0.1:1",
        roles: &[
            ("contract", In("contract/Contract.json")),
            ("api_key_file", In("password")),
        ],
    },
    Case {
        command: "srs check",
        more: "",
        roles: &[("file", In("dev.srs"))],
    },
    Case {
        command: "srs info",
        more: "",
        roles: &[("file", In("dev.srs"))],
    },
];

/// The commands by what one types, with their definitions.
pub fn commands() -> BTreeMap<String, Command> {
    fn leaves(command: &Command, path: &str, found: &mut BTreeMap<String, Command>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name()).trim_start().to_owned();
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                found.insert(path, sub.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    leaves(&Cli::command(), "", &mut found);
    found
}

/// The arguments that are paths.
pub fn paths(command: &Command) -> Vec<&Arg> {
    let path = ValueParser::path_buf().type_id();
    let arguments = command.get_arguments();
    arguments
        .filter(|argument| argument.get_value_parser().type_id() == path)
        .collect()
}

/// A command line that would work, with other values of some arguments.
pub fn line(case: &Case, definition: &Command, other: &[(&str, &str)]) -> Vec<String> {
    let mut words: Vec<String> = case.command.split(' ').map(str::to_owned).collect();
    let mut options = Vec::new();
    for argument in paths(definition) {
        let id = argument.get_id().as_str();
        let given = other
            .iter()
            .find(|other| other.0 == id)
            .map(|other| other.1);
        let role = case.roles.iter().find(|role| role.0 == id).unwrap().1;
        let usual = match role {
            In(place) => Some(place),
            Out(_) | Into(_) => Some("fresh"),
            Without | Made => None,
        };
        let Some(value) = given.or(usual) else {
            continue;
        };
        if let Some(long) = argument.get_long() {
            options.push(format!("--{long}"));
            options.push(value.to_owned());
        } else {
            words.push(value.to_owned());
        }
    }
    words.extend(options);
    words.extend(case.more.split_whitespace().map(str::to_owned));
    words
}
