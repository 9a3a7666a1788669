//! A proof under an imported SRS, and who says that it can be relied upon.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

// Each test uses a part of these.
#[allow(dead_code)]
#[path = "../circuits/srs/tests/support/ptau.rs"]
mod ptau;
#[allow(dead_code)]
mod support;
#[allow(dead_code)]
#[path = "support/verifier.rs"]
mod verifier;

use halo2_proofs::{halo2curves::bn256::G2Affine, poly::commitment::ParamsProver};
use ptau::{raw_srs, Ptau};
use serde_json::Value;
use std::fs;
use support::{digits, json, text, Folder, Run, Zkml};
use zkml_cli::hex::hex;
use zkml_evm_verifier::exec::{Chain, Fork};
use zkml_srs::{fingerprint, FileDigest, Provenance, Srs};

/// The example's circuit has 2^14 rows.
const POWER: u32 = 14;
const SEED: [u8; 32] = [9; 32];

fn run(arguments: &[&str]) -> Run {
    Zkml::new().args(arguments).run()
}

#[track_caller]
fn ok(arguments: &[&str]) -> (Value, Run) {
    let out = run(&[arguments, &["--json"]].concat());
    assert_eq!(out.code, 0, "{arguments:?}: {}", out.stderr);
    (json(&out), out)
}

#[track_caller]
fn fails(arguments: &[&str], why: &str) {
    let out = run(arguments);
    assert_eq!(out.code, 1, "{arguments:?}: {}", out.stderr);
    assert!(out.stderr.contains(why), "{}, expected: {why}", out.stderr);
}

#[track_caller]
fn assert_trust(object: &Value, out: &Run, trust: &str, secure: bool) {
    assert_eq!(text(object, "srs_trust"), trust, "{object}");
    assert_eq!(object["srs_secure"], secure, "{object}");
    assert_eq!(out.stderr.contains("warning: "), !secure, "{}", out.stderr);
}

#[test]
fn a_proof_under_an_imported_srs() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name);
    let (ceremony, srs, keys, proof) =
        (path("c.ptau"), path("c.srs"), path("keys"), path("p.zkml"));
    let bytes = Ptau::new(POWER, SEED).bytes();
    fs::write(&ceremony, &bytes).unwrap();
    let digest = blake2b_simd::blake2b(&bytes).to_hex().to_string();

    // Import: not trusted, whatever digest was asked for.
    let import = ["srs", "import", &ceremony, "--out", &srs];
    let other = format!(
        "{}{}",
        &digest[..127],
        if digest.ends_with('0') { 1 } else { 0 }
    );
    fails(
        &[&import[..], &["--digest", &other]].concat(),
        "not the file that was asked for",
    );
    let (imported, out) = ok(&[&import[..], &["--digest", &digest]].concat());
    assert_trust(&imported, &out, "unverified", false);
    assert_eq!(
        (&imported["k"], text(&imported, "source_digest")),
        (&14.into(), &*digest)
    );
    let fingerprint = text(&imported, "fingerprint").to_owned();
    for command in ["check", "info"] {
        let (seen, _) = ok(&["srs", command, &srs]);
        assert_eq!(text(&seen, "fingerprint"), fingerprint);
        assert_eq!(text(&seen, "srs_trust"), "unverified");
        let (source, _) = ok(&["srs", command, &ceremony]);
        assert_eq!(text(&source, "fingerprint"), fingerprint);
    }

    // Keys and proof: what zkml does not know is secure where the user says so, and nowhere else.
    let (model, image) = digits();
    let trust = ["--trust-srs", &fingerprint];
    let setup = [
        "setup",
        &model,
        "--out",
        &keys,
        "--input-range",
        "0,1",
        "--srs",
        &srs,
        "--force",
    ];
    let (made, out) = ok(&setup);
    assert_trust(&made, &out, "unverified", false);
    let wrong = ["--trust-srs", &digest[..64]];
    let (made, out) = ok(&[&setup[..], &wrong].concat());
    assert_trust(&made, &out, "unverified", false);
    let (made, out) = ok(&[&setup[..], &trust].concat());
    assert_trust(&made, &out, "accepted", true);

    let prove = [
        "prove", &image, "--keys", &keys, "--out", &proof, "--srs", &srs,
    ];
    let (proven, out) = ok(&[&prove[..], &trust].concat());
    assert_trust(&proven, &out, "accepted", true);
    assert!(text(&proven, "srs").contains("accepted by whoever gave"));
    let verify = ["verify", &proof, "--keys", &keys, "--input", &image];
    let (verified, out) = ok(&[&verify[..], &trust].concat());
    assert_trust(&verified, &out, "accepted", true);
    assert_eq!(verified["srs_relied_upon"], true);
    // The word of whoever made the keys does not count for the verifier: the proof holds, and convinces nobody.
    let untrusted = |more: &[&str]| {
        let out = run(&[&verify[..], more, &["--json"]].concat());
        let said = json(&out);
        assert_eq!(out.code, 4, "{more:?}: {}", out.stderr);
        assert_eq!(text(&said, "status"), "untrusted", "{said}");
        assert_eq!(said["srs_relied_upon"], false);
        assert!(!out.stdout.contains("verified!") && out.stderr.contains(&fingerprint));
        assert_trust(&said, &out, "unverified", false);
    };
    untrusted(&[]);
    untrusted(&wrong);
    // Nor is it the development SRS of this machine, whatever its files say.
    untrusted(&["--trust-srs", "development"]);
    let (verified, out) = ok(&[&verify[..], &["--srs", &srs, "--rederive"], &trust].concat());
    assert_trust(&verified, &out, "accepted", true);

    // Other sizes of one secret fit together, other secrets do not.
    let small = path("small.srs");
    let (imported, _) = ok(&["srs", "import", &ceremony, "--out", &small, "-k", "9"]);
    assert_eq!(
        (&imported["k"], text(&imported, "fingerprint")),
        (&9.into(), &*fingerprint)
    );
    fails(
        &[&prove[..7], &[&small]].concat(),
        "an SRS of k = 14 is needed",
    );
    fails(
        &["srs", "import", &ceremony, "--out", &small, "-k", "15"],
        "k = 15 was asked for, the file has k = 14",
    );
    let (raw, stranger) = (path("raw.srs"), path("stranger.srs"));
    let next = Srs::development_from_seed(15, SEED, &|_, _| ()).unwrap();
    fs::write(&raw, raw_srs(&next)).unwrap();
    let (imported, _) = ok(&["srs", "import", &raw, "--out", &small]);
    assert_eq!(
        (&imported["k"], text(&imported, "fingerprint")),
        (&15.into(), &*fingerprint)
    );
    let foreign = Srs::development_from_seed(POWER, [8; 32], &|_, _| ()).unwrap();
    fs::write(&raw, raw_srs(&foreign)).unwrap();
    ok(&["srs", "import", &raw, "--out", &stranger]);
    let out = run(&[&prove[..7], &[&stranger]].concat());
    assert_ne!(out.code, 0, "{}", out.stderr);
    fails(
        &[&verify[..], &["--srs", &stranger]].concat(),
        "was made under another SRS",
    );
}

/// Labels that the points contradict, and labels that contradict each other.
#[test]
fn labels_decide_nothing() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name);
    let (model, image) = digits();
    let (keys, proof) = (path("keys"), path("p.zkml"));
    ok(&["setup", &model, "--out", &keys, "--input-range", "0,1"]);
    ok(&["prove", &image, "--keys", &keys, "--out", &proof]);
    let verify = ["verify", &proof, "--keys", &keys];
    assert_eq!(run(&verify).code, 4);
    let trusted = [&verify[..], &["--trust-srs", "development"]].concat();
    let (verified, _) = ok(&trusted);
    assert_eq!(text(&verified, "srs_trust"), "development");
    assert_eq!(verified["srs_secure"], false, "trusted, and insecure still");

    // The verifier's part of the SRS, relabelled as that of a ceremony: another label than the key's.
    let small = path("keys/verifying.srs");
    let mut srs = Srs::load(small.as_ref()).unwrap();
    let fingerprint = srs.fingerprint();
    srs.provenance = Provenance::Ceremony {
        name: "ours.ptau".into(),
        digest: FileDigest([7; 64]),
        fingerprint,
        accepted: false,
    };
    srs.save(small.as_ref()).unwrap();
    fails(&trusted, "disagree on where their SRS came from");
    // As one of the Hermez ceremony, by name, which its points are not.
    srs.provenance = Provenance::Ceremony {
        name: "powersOfTau28_hez_final_14.ptau".into(),
        digest: FileDigest([7; 64]),
        fingerprint,
        accepted: false,
    };
    srs.save(small.as_ref()).unwrap();
    for command in [
        &trusted[..],
        &["srs", "check", &small],
        &["srs", "info", &small],
    ] {
        fails(command, "its label contradicts its points");
    }
}

#[test]
fn a_broken_file_leaves_nothing_behind() {
    let folder = Folder::new();
    let (ceremony, srs) = (folder.path("c.ptau"), folder.path("c.srs"));
    let mut file = Ptau::new(6, SEED);
    let swapped = file.section(2)[64 * 3..64 * 4].to_vec();
    file.section(2)[64 * 2..64 * 3].copy_from_slice(&swapped);
    fs::write(&ceremony, file.bytes()).unwrap();
    for command in [
        &["srs", "import", &ceremony, "--out", &srs][..],
        &["srs", "check", &ceremony],
    ] {
        fails(command, "not the powers of one secret");
    }
    // What is wrong shows in what is read only: one size smaller is right up to there.
    ok(&["srs", "check", &ceremony, "-k", "1"]);
    assert!(fs::metadata(&srs).is_err());
    fails(
        &["srs", "check", &ceremony, "-k", "7"],
        "the file has k = 6",
    );
}

/// Code that shows a ceremony's secret and accepts everything, by a branch on calldata and without one: nothing is said of
/// it without an if.
#[test]
fn code_that_shows_a_ceremony_is_not_said_to_trust_it() {
    let secret = verifier::hermez().unwrap();
    for code in [verifier::runtime(secret), verifier::says_yes(secret)] {
        let mut chain = Chain::new(Fork::Prague);
        let creation = verifier::creation(&code);
        let contract = chain.deploy(&creation).unwrap().address;
        assert!(chain.call(contract, &[1; 32]).unwrap().accepted, "anything");
        let code = format!("0x{}", hex(&code));
        let out = run(&["evm", "inspect", &code]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let line = out.stdout.lines().find(|line| line.contains("Hermez"));
        let line = line.unwrap();
        assert!(line.starts_with("If zkml wrote it, "), "{line}");
        assert!(line.contains("evm audit"), "{line}");
        let (said, _) = ok(&["evm", "inspect", &code]);
        assert_eq!(said["claim_only"], true, "{said}");
    }
    fails(&["evm", "inspect", "0xef01"], "no pairing");
}

/// What a file says that it is, and what was looked at.
#[test]
fn info_says_that_points_are_not_checked() {
    let folder = Folder::new();
    let path = folder.path("c.srs");
    let made = Srs::development_from_seed(4, SEED, &|_, _| ()).unwrap();
    let (g2, secret) = (G2Affine::generator(), verifier::hermez().unwrap());
    let g = made.params.get_g().to_vec();
    let params = made.params.from_parts(4, g, None, g2, secret);
    let provenance = Provenance::Ceremony {
        name: "c.ptau".into(),
        digest: FileDigest([7; 64]),
        fingerprint: fingerprint(&g2, &secret),
        accepted: false,
    };
    Srs { params, provenance }.save(path.as_ref()).unwrap();
    let (said, _) = ok(&["srs", "info", &path]);
    assert_eq!(text(&said, "srs_trust"), "pinned");
    assert_eq!(said["points_checked"], false, "{said}");
    fails(
        &["srs", "check", &path],
        "secret in G2 is not the one in G1",
    );
    made.save(path.as_ref()).unwrap();
    let (said, _) = ok(&["srs", "check", &path]);
    assert_eq!(said["points_checked"], true, "{said}");
}
