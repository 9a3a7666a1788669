//! Each change of the sources in `contracts/src`, by rules that know nothing of what the lines say.

use revm::primitives::U256;
use zkml_evm_verifier::contracts::SOURCES;

/// A source with one line changed.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file.
    pub file: &'static str,
    /// The line, from 1 on.
    pub line: usize,
    /// What it said.
    pub before: String,
    /// What it says; nothing if it is dropped.
    pub after: String,
    /// The whole source.
    pub source: String,
}

/// The files that are changed: the interface has no code, and the example and its library are not trusted.
const FILES: [&str; 3] = [
    "src/ModelVerifier.sol",
    "src/lib/Packing.sol",
    "src/lib/Records.sol",
];

/// All changes of all files.
pub fn all() -> Vec<Mutant> {
    let files = SOURCES.into_iter().filter(|(path, _)| FILES.contains(path));
    files
        .flat_map(|(path, text)| of_source(path, text))
        .collect()
}

/// What a line is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Solidity,
    Assembly,
}

fn of_source(file: &'static str, text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut depth, mut assembly) = (Vec::new(), 0i32, None);
    // Whether a statement begins with the line.
    let mut begins = false;
    for (at, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default().trim();
        if code.is_empty() {
            continue;
        }
        if code.starts_with("assembly") {
            assembly = Some(depth);
        }
        let language = match assembly {
            Some(_) => Language::Assembly,
            None => Language::Solidity,
        };
        let next = lines.get(at + 1).map(|next| next.trim());
        let changed = |new: &[String]| {
            let mut lines: Vec<&str> = lines.clone();
            lines.splice(at..at + new.len(), new.iter().map(String::as_str));
            Mutant {
                file,
                line: at + 1,
                before: code.to_string(),
                after: new.join(" / "),
                source: lines.join("\n") + "\n",
            }
        };
        let heads = [
            "pragma", "import", "using", "contract", "library", "function", "assembly",
        ];
        let head = heads.iter().any(|head| code.starts_with(head));
        if !head {
            let whole = begins || language == Language::Assembly;
            let others = dropped(code, language).filter(|_| whole);
            let others = others.into_iter().chain(altered(code, language));
            out.extend(others.map(|other| changed(&[other])));
            let moves = |code| match language {
                Language::Assembly => movable(code, language),
                Language::Solidity => whole && alone(code),
            };
            let next = next.filter(|next| moves(code) && moves(next) && !declares(code, next));
            if let Some(next) = next.filter(|next| !apart(code, next)) {
                out.push(changed(&[next.to_string(), code.to_string()]));
            }
        }
        begins = code.ends_with(['{', '}', ';']);
        depth += code.matches('{').count() as i32 - code.matches('}').count() as i32;
        if assembly.is_some_and(|outside| depth <= outside) && code != "assembly" {
            assembly = None;
        }
    }
    out
}

/// A line without its statement; of a declaration, without its value.
fn dropped(code: &str, language: Language) -> Option<String> {
    let words: Vec<&str> = code.split(' ').collect();
    match (language, &words[..]) {
        (Language::Assembly, ["let", name, ":=", ..]) => Some(format!("let {name} := 0")),
        (Language::Assembly, _) if movable(code, language) => Some(String::new()),
        (Language::Assembly, ["if", ..]) if code.ends_with('}') => Some(String::new()),
        (Language::Assembly, _) => None,
        (Language::Solidity, _) if !code.ends_with(';') => None,
        (Language::Solidity, [kind, name, "=", ..]) if plain(kind) && plain(name) => {
            Some(format!("{kind} {name};"))
        }
        (Language::Solidity, [_, _, _, "=", ..] | [_, _, _, _, "=", ..])
            if !code.starts_with("if") =>
        {
            None
        }
        (Language::Solidity, _) => Some(String::new()),
    }
}

/// A word that names a type or a variable.
fn plain(word: &str) -> bool {
    word.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A statement of assembly alone on its line.
fn movable(code: &str, language: Language) -> bool {
    let sets = code.split(' ').nth(1) == Some(":=");
    let calls = code.ends_with(')') && !code.contains(":=");
    language == Language::Assembly && !code.contains(['{', '}']) && (sets || calls)
}

/// A statement of Solidity alone on its line, that does something where it stands.
fn alone(code: &str) -> bool {
    let fixed = ["}", "return", "revert"];
    let acts = code.contains(['=', '(']) && !code.contains(" constant ");
    code.ends_with(';') && acts && !fixed.iter().any(|start| code.starts_with(start))
}

/// Whether a line of Solidity declares what the next one names: the other order is no contract.
fn declares(first: &str, second: &str) -> bool {
    let Some((place, _)) = first.split_once(" = ") else {
        return false;
    };
    let second = words(second);
    let declared = place.split(", ").filter_map(|one| one.rsplit_once(' '));
    let mut names = declared.map(|(_, name)| name.trim_end_matches(')'));
    !first.starts_with("if") && names.any(|name| second.contains(&name))
}

/// Whether two lines set variables, of which neither is the other's affair: their order says nothing.
fn apart(first: &str, second: &str) -> bool {
    let (Some((a, uses_a)), Some((b, uses_b))) = (set(first), set(second)) else {
        return false;
    };
    let base = |place: &str| words(place)[0].to_string();
    let names = |uses: &str, place: &str| words(uses).contains(&base(place).as_str());
    a != b && !names(uses_a, b) && !names(uses_b, a)
}

/// What a line sets, a variable or a part of one, and what to; none if it may do something else.
fn set(code: &str) -> Option<(&str, &str)> {
    let (place, value) = code.split_once(" := ").or_else(|| {
        let (place, value) = code.split_once(" = ")?;
        (!code.starts_with("if")).then_some((place, value))
    })?;
    // A declaration has a type, or `let`, in front.
    let place = place.rsplit(' ').next()?;
    let acts = words(value).windows(2).any(|pair| {
        let conversion = ["uint", "int", "bytes", "address"]
            .iter()
            .any(|kind| pair[0].starts_with(kind));
        let pure = matches!(
            pair[0],
            "add"
                | "and"
                | "calldataload"
                | "div"
                | "eq"
                | "extcodesize"
                | "gt"
                | "iszero"
                | "lt"
                | "mload"
                | "mul"
                | "not"
                | "or"
                | "returndatasize"
                | "shl"
                | "shr"
                | "signextend"
                | "sub"
                | "xor"
                | "close"
                | "type"
                | "keccak256"
        );
        pair[1] == "(" && plain(pair[0]) && !conversion && !pure
    });
    (!acts).then_some((place, value))
}

/// A line with one word altered.
fn altered(code: &str, language: Language) -> Vec<String> {
    let words = words(code);
    let mut out = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let call = words.get(at + 1) == Some(&"(");
        for other in others(word, language, call) {
            let mut changed: Vec<&str> = words.clone();
            changed[at] = &other;
            out.push(changed.concat());
        }
    }
    out
}

/// A line's names, numbers, texts, operators and what is between them.
fn words(code: &str) -> Vec<&str> {
    const OPERATORS: [&str; 18] = [
        "<<", ">>", ":=", "=>", "->", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "+=", "-=",
        "*=", "|=", "^=",
    ];
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else if name(first) {
            rest.find(|c| !name(c)).unwrap_or(rest.len())
        } else if OPERATORS.iter().any(|op| rest.starts_with(op)) {
            2
        } else {
            first.len_utf8()
        };
        let (word, behind) = rest.split_at(length);
        out.push(word);
        rest = behind;
    }
    out
}

/// What may stand in a word's place.
fn others(word: &str, language: Language, call: bool) -> Vec<String> {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return numbers(word);
    }
    let other = match (language, word) {
        (_, "==") => "!=",
        (_, "!=") => "==",
        (_, "<") => "<=",
        (_, "<=") => "<",
        (_, ">") => ">=",
        (_, ">=") => ">",
        (_, "&&") => "||",
        (_, "||") => "&&",
        (_, "!") => "",
        (_, "+") => "-",
        (_, "-") => "+",
        (_, "*") => "/",
        (_, "/") => "*",
        (_, "+=") => "-=",
        (_, "|") => "&",
        (_, "&") => "|",
        (_, "<<") => ">>",
        (_, ">>") => "<<",
        (_, "true") => "false",
        (_, "false") => "true",
        (Language::Assembly, _) if call => match word {
            "add" => "sub",
            "sub" => "add",
            "mul" => "div",
            "div" => "mul",
            "and" => "or",
            "or" | "xor" => "and",
            "shl" => "shr",
            "shr" => "shl",
            "lt" => "gt",
            "gt" => "lt",
            "eq" => "lt",
            "iszero" => "not",
            "not" => "iszero",
            "mstore" => "mstore8",
            "returndatasize" => "calldatasize",
            _ => return vec![],
        },
        _ => return vec![],
    };
    vec![other.to_string()]
}

/// One more and one less.
fn numbers(word: &str) -> Vec<String> {
    let digits = word.replace('_', "");
    let value = match digits.strip_prefix("0x") {
        Some(hex) => U256::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let Ok(value) = value else { return vec![] };
    let one = U256::from(1);
    let more = value.checked_add(one).into_iter();
    let all = more.chain(value.checked_sub(one));
    all.map(|other| match word.starts_with("0x") {
        // As many digits: their number is the type of some constants.
        true => format!("0x{:0>1$}", format!("{other:x}"), word.len() - 2),
        false => other.to_string(),
    })
    .collect()
}

#[test]
fn each_line_is_changed_by_each_rule() {
    let text = "    function f(uint256 a) {
        uint256 x = a + 0x0f; // a >= 1
        if (a >= 7 && !b) revert Bad(a);
        assembly (\"memory-safe\") {
            let y := add(x, 1)
            mstore(0, y)
            y := mload(0)
            let z := 2
            if iszero(y) { revert(0, 0) }
        }
        x = \"1\";
    }";
    let mutants = of_source("src/lib/Records.sol", text);
    let mut found: Vec<&str> = mutants.iter().map(|one| one.after.as_str()).collect();
    found.sort_unstable();
    let mut expected = vec![
        "uint256 x;",
        "uint256 x = a - 0x0f;",
        "uint256 x = a + 0x10;",
        "uint256 x = a + 0x0e;",
        "",
        "if (a > 7 && !b) revert Bad(a);",
        "if (a >= 8 && !b) revert Bad(a);",
        "if (a >= 6 && !b) revert Bad(a);",
        "if (a >= 7 || !b) revert Bad(a);",
        "if (a >= 7 && b) revert Bad(a);",
        "if (a >= 7 && !b) revert Bad(a); / uint256 x = a + 0x0f;",
        "let y := 0",
        "let y := sub(x, 1)",
        "let y := add(x, 2)",
        "let y := add(x, 0)",
        "",
        "mstore8(0, y)",
        "mstore(1, y)",
        "y := mload(0) / mstore(0, y)",
        "",
        "y := mload(1)",
        "",
        "let z := 0",
        "let z := 3",
        "let z := 1",
        "if not(y) { revert(0, 0) }",
        "if iszero(y) { revert(1, 0) }",
        "if iszero(y) { revert(0, 1) }",
        "",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
    let kept = |one: &Mutant| one.source.lines().count() == text.lines().count();
    assert!(mutants.iter().all(kept));
}
