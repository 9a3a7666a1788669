//! `zkml evm verify-source`, before services that take its word, refuse it, or say nothing of use.

use crate::{
    scene::{checked, direct, direct_made, evm_json, prepared},
    support::{
        anvil::Anvil,
        explorer::{Asked, Explorer, Reply},
        json, text, Folder, Run,
    },
};
use serde_json::{json, Value};
use std::fs;
use zkml_evm_verifier::{chain::Address, contracts::model_verifier_source};

const KEY: &str = "Q7NotForOthers42";
const SOLC: &str = "0.8.30+commit.73712a01";
const NAMES: [&str; 2] = [
    "ZkmlVerifier.sol:ZkmlVerifier",
    "src/ModelVerifier.sol:ModelVerifier",
];
const INPUT: &str = "contract/ZkmlVerifier.input.json";

/// A node with the contracts on it, their files, and their addresses.
fn deployed() -> (Anvil, Folder, [String; 2]) {
    let (anvil, folder) = (Anvil::start(&[]), direct());
    fs::copy(direct_made().path(INPUT), folder.path(INPUT)).unwrap();
    let deployed = evm_json(&anvil, &folder, &["deploy", "--yes"]);
    let place = |kind: &str| text(&deployed[kind]["record"], "address").to_owned();
    let places = ["verifier", "model_verifier"].map(place);
    (anvil, folder, places)
}

/// Runs the command, and searches what it says for the API key.
fn run(anvil: &Anvil, folder: &Folder, more: &[&str]) -> Run {
    let command = [&["verify-source", "--json"][..], more].concat();
    let out = checked(prepared(anvil, folder, &command).env("ZKML_ETHERSCAN_KEY", KEY));
    let said = out.stdout.clone() + &out.stderr;
    assert!(!said.contains(KEY), "the API key is shown: {said}");
    out
}

fn sourcify(code: &str) -> Value {
    json!({ "customCode": code, "message": "said so", "errorId": "1" })
}

fn etherscan(status: &str, result: &str) -> Value {
    json!({ "status": status, "message": "?", "result": result })
}

fn job(completed: bool, quality: Option<&str>, error: Option<&str>) -> Value {
    json!({
        "isJobCompleted": completed,
        "verificationId": "0-a",
        "contract": { "match": quality, "runtimeMatch": quality, "creationMatch": null },
        "error": error.map(sourcify),
    })
}

/// The fields of a form.
fn fields(form: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pairs = form.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

#[test]
fn what_is_sent_is_what_was_compiled() {
    let (anvil, folder, places) = deployed();
    let mut waits = 0;
    let first = Explorer::start(move |asked| match asked.method.as_str() {
        "POST" => Reply::Json(202, json!({ "verificationId": "0-a" })),
        _ => {
            waits += 1;
            let done = waits % 2 == 0;
            let quality = done.then_some(["exact_match", "match"][waits / 2 % 2]);
            Reply::Json(200, job(done, quality, None))
        }
    });
    let mut waits = 0;
    let second = Explorer::start(move |asked| match asked.method.as_str() {
        "POST" => Reply::Json(200, etherscan("1", "guid")),
        _ => {
            waits += 1;
            let answers = [("1", "Pass - Verified"), ("0", "Pending in queue")];
            let (status, result) = answers[waits % 2];
            Reply::Json(200, etherscan(status, result))
        }
    });
    let urls = [first.url("/server/"), second.url("/v2/api")];
    let more = ["--sourcify", &urls[0], "--etherscan", &urls[1]];
    let out = run(&anvil, &folder, &more);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let told = json(&out);
    let sources = told["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 4, "{told}");
    for (index, source) in sources.iter().enumerate() {
        assert_eq!(source["result"], "verified", "{source}");
        assert_eq!(source["address"], places[index / 2]);
        assert_eq!(source["name"], NAMES[index / 2]);
        assert_eq!(source["service"], ["Sourcify", "Etherscan"][index % 2]);
    }
    let file = fs::read_to_string(folder.path(INPUT)).unwrap();
    let inputs = [
        file.trim_end().to_owned(),
        model_verifier_source().unwrap().input,
    ];
    // With its checksum.
    let shown = [0, 1].map(|at: usize| places[at].parse::<Address>().unwrap().to_string());
    let sent: Vec<Asked> = first.asked();
    assert_eq!(sent.len(), 6);
    for (index, asked) in sent.iter().enumerate() {
        let contract = index / 3;
        if index % 3 > 0 {
            assert_eq!(asked.method, "GET");
            assert_eq!(asked.target, "/server/v2/verify/0-a");
            continue;
        }
        let target = format!("/server/v2/verify/31337/{}", shown[contract]);
        assert_eq!((asked.method.as_str(), &asked.target), ("POST", &target));
        assert_eq!(asked.content_type, "application/json");
        let input: Value = serde_json::from_str(&inputs[contract]).unwrap();
        let expected = json!({
            "stdJsonInput": input,
            "compilerVersion": SOLC,
            "contractIdentifier": NAMES[contract],
        });
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body, expected);
    }
    let sent = second.asked();
    assert_eq!(sent.len(), 6);
    for (index, asked) in sent.iter().enumerate() {
        let contract = index / 3;
        let query = "/v2/api?chainid=31337&module=contract&action=";
        if index % 3 > 0 {
            let target = format!("{query}checkverifystatus&guid=guid&apikey={KEY}");
            assert_eq!((asked.method.as_str(), &asked.target), ("GET", &target));
            continue;
        }
        let target = format!("{query}verifysourcecode");
        assert_eq!((asked.method.as_str(), &asked.target), ("POST", &target));
        assert_eq!(asked.content_type, "application/x-www-form-urlencoded");
        let version = format!("v{SOLC}");
        let expected: [(&str, &str); 7] = [
            ("apikey", KEY),
            ("contractaddress", &shown[contract]),
            ("sourceCode", &inputs[contract]),
            ("codeformat", "solidity-standard-json-input"),
            ("contractname", NAMES[contract]),
            ("compilerversion", &version),
            ("constructorArguements", ""),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(&asked.body), expected);
    }
}

/// What a service says to a submission, and then to every question; exit code; what is said of it.
type Case = (fn() -> Reply, fn() -> Reply, i32, &'static str);

fn never() -> Reply {
    panic!("nothing is left to ask")
}

fn judge(anvil: &Anvil, folder: &Folder, service: &str, cases: &[Case]) {
    for (index, (taken, judged, code, said)) in cases.iter().enumerate() {
        let (taken, judged) = (*taken, *judged);
        let explorer = Explorer::start(move |asked| match asked.method.as_str() {
            "POST" => taken(),
            _ => judged(),
        });
        let url = explorer.url("");
        let more = [service, &url, "--verifier-only", "--timeout", "2"];
        let out = run(anvil, folder, &more);
        let place = format!("{service} {index}");
        assert_eq!(out.code, *code, "{place}: {}{}", out.stdout, out.stderr);
        let all = out.stdout.clone() + &out.stderr;
        assert!(all.contains(said), "{place}: {all}");
        let status = ["ok", "error", "", "rejected"][*code as usize];
        assert_eq!(json(&out)["status"], status, "{place}");
        assert!(all.len() < 4000, "{place}: {} bytes", all.len());
    }
}

#[test]
fn each_answer_is_taken_for_what_it_is() {
    let (anvil, folder, _) = deployed();
    let taken = || Reply::Json(202, json!({ "verificationId": "0-a" }));
    let cases: [Case; 13] = [
        (
            || Reply::Json(409, sourcify("already_verified")),
            never,
            0,
            "already verified",
        ),
        (
            taken,
            || Reply::Json(200, job(true, None, Some("already_verified"))),
            0,
            "already verified",
        ),
        (
            taken,
            || Reply::Json(200, job(true, None, Some("no_match"))),
            3,
            "no_match: said so",
        ),
        (
            taken,
            || Reply::Json(200, job(true, None, Some("compiler_error"))),
            1,
            "compiler_error: said so",
        ),
        (
            taken,
            || Reply::Json(200, job(true, None, None)),
            1,
            "expected a match or an error",
        ),
        (
            taken,
            || Reply::Json(200, job(true, Some("partly"), None)),
            1,
            "expected a match",
        ),
        (
            taken,
            || Reply::Json(404, sourcify("job_not_found")),
            1,
            "job_not_found",
        ),
        (
            taken,
            || Reply::Json(200, job(false, None, None)),
            1,
            "has not judged after 2 s",
        ),
        (taken, || Reply::Silence, 1, "did not answer in time"),
        (
            || Reply::Json(500, sourcify("internal_error")),
            never,
            1,
            "internal_error",
        ),
        (
            || Reply::Text(502, "<html>\u{1b}[31m"),
            never,
            1,
            "HTTP status 502",
        ),
        (
            || Reply::Json(202, json!({ "verificationId": "../a?b" })),
            never,
            1,
            "expected a verificationId",
        ),
        (|| Reply::Endless, never, 1, "submitting the source"),
    ];
    judge(&anvil, &folder, "--sourcify", &cases);

    let taken = || Reply::Json(200, etherscan("1", "guid"));
    let cases: [Case; 12] = [
        (
            || Reply::Json(200, etherscan("0", "Contract source code already verified")),
            never,
            0,
            "already verified",
        ),
        (
            taken,
            || Reply::Json(200, etherscan("0", "Already Verified")),
            0,
            "already verified",
        ),
        (
            taken,
            || Reply::Json(200, etherscan("0", "Fail - Unable to verify")),
            3,
            "Fail - Unable to verify",
        ),
        (
            taken,
            || Reply::Json(200, etherscan("1", "Fail - Unable to verify")),
            1,
            "Fail - Unable to verify",
        ),
        (
            taken,
            || Reply::Json(200, etherscan("0", "Pass - Verified")),
            1,
            "Pass - Verified",
        ),
        (
            taken,
            || Reply::Json(200, etherscan("0", "Pending in queue")),
            1,
            "has not judged after 2 s",
        ),
        (taken, || Reply::Silence, 1, "did not answer in time"),
        (
            || Reply::Json(200, etherscan("0", "Invalid API Key Q7NotForOthers42")),
            never,
            1,
            "Invalid API Key …",
        ),
        (
            || Reply::Json(200, etherscan("1", "a guid?")),
            never,
            1,
            "a guid?",
        ),
        (
            || Reply::Json(200, json!({ "status": "1", "result": {} })),
            never,
            1,
            "expected status and result",
        ),
        (|| Reply::Text(302, ""), never, 1, "HTTP status 302"),
        (|| Reply::Endless, never, 1, "submitting the source"),
    ];
    judge(&anvil, &folder, "--etherscan", &cases);
}

#[test]
fn nothing_is_sent_of_what_does_not_fit() {
    let (anvil, folder, places) = deployed();
    let explorer = Explorer::start(|_| panic!("something was sent"));
    let url = explorer.url("/api");
    let refused = |more: &[&str], code: i32, said: &[&str]| {
        let out = run(&anvil, &folder, more);
        assert_eq!(out.code, code, "{more:?}: {}", out.stderr);
        for part in said {
            assert!(out.stderr.contains(part), "{more:?}: {}", out.stderr);
        }
    };
    refused(&[], 2, &["--sourcify", "--etherscan"]);
    let to = ["--sourcify", &url];
    let with = |more: &[&'static str]| [&["--etherscan"][..], more].concat();
    // Other code, no code, no record.
    let other = [&to[..], &["--verifier", &places[1]]].concat();
    refused(
        &other,
        3,
        &["expected the code of ZkmlVerifier", "nothing was sent"],
    );
    let none = "0x00000000000000000000000000000000000000aa";
    let none = [&to[..], &["--verifier", none]].concat();
    refused(&none, 1, &["there is no contract", "nothing was sent"]);
    let record = folder.path("contract/ModelVerifier.deployed-31337.json");
    fs::rename(&record, folder.path("record")).unwrap();
    refused(&to, 1, &["no record of ModelVerifier", "--model-verifier"]);
    fs::rename(folder.path("record"), &record).unwrap();
    // Keys where others see them.
    let shown = format!("{url}?apikey={KEY}");
    refused(
        &["--etherscan", &shown],
        1,
        &["the URL of Etherscan", "a query"],
    );
    refused(&with(&["http://explorer.example/api"]), 1, &["unencrypted"]);
    fs::write(folder.path("key"), format!("{KEY} {KEY}\n")).unwrap();
    let file = ["--etherscan", &url, "--api-key-file", "key"];
    refused(&file, 1, &["the API key of Etherscan"]);
    let out = checked(prepared(
        &anvil,
        &folder,
        &["verify-source", "--etherscan", &url],
    ));
    assert!(
        out.code == 1 && out.stderr.contains("$ZKML_ETHERSCAN_KEY is not set"),
        "{}",
        out.stderr
    );
    // The compiler's input contradicts the artefact.
    let whole = fs::read_to_string(folder.path(INPUT)).unwrap();
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 4] = [
        (
            |input| input["settings"]["optimizer"]["runs"] = json!(200),
            "settings: expected those of the artefact",
        ),
        (
            |input| input["sources"]["B.sol"] = json!({ "content": "" }),
            "expected ZkmlVerifier.sol in Solidity",
        ),
        (
            |input| input["language"] = json!("Yul"),
            "expected ZkmlVerifier.sol in Solidity",
        ),
        (|input| input["more"] = json!(1), "gave the compiler"),
    ];
    for (change, said) in changes {
        let mut input: Value = serde_json::from_str(&whole).unwrap();
        change(&mut input);
        fs::write(folder.path(INPUT), input.to_string()).unwrap();
        refused(&to, 1, &["ZkmlVerifier.input.json", said]);
    }
    fs::remove_file(folder.path(INPUT)).unwrap();
    refused(&to, 1, &["ZkmlVerifier.input.json"]);
    assert!(explorer.asked().is_empty());
}
