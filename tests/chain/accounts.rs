//! Keys, and what is on this machine.

use crate::{
    scene::{checked, copy, evm, evm_json, prepared},
    support::{
        anvil::{Anvil, KEYS},
        json, text, Zkml,
    },
};
use serde_json::json;
use std::fs;

#[test]
fn keys_are_checked_and_never_shown() {
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let key = KEYS[0];
    let letters = key.replace('f', "x");
    for bad in [&key[1..], &letters, "", "0x", &format!("{key}00")] {
        let zkml = prepared(&anvil, &folder, &["deploy", "--yes"]);
        let out = checked(zkml.env("ZKML_PRIVATE_KEY", bad).env("ZKML_LOG", "trace"));
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("$ZKML_PRIVATE_KEY: not a usable"),
            "{}",
            out.stderr
        );
    }
    // The key itself where its variable's name was to be.
    for name in [key, &format!("0x{key}")] {
        let out = evm(&anvil, &folder, &["deploy", "--yes", "--key-env", name]);
        assert_eq!(out.code, 1, "{}", out.stderr);
        assert!(
            out.stderr.contains("never belongs on a command line"),
            "{}",
            out.stderr
        );
    }
    let out = evm(
        &anvil,
        &folder,
        &["deploy", "--yes", "--key-env", "NO_SUCH_KEY"],
    );
    assert!(
        out.code == 1 && out.stderr.contains("$NO_SUCH_KEY is not set"),
        "{}",
        out.stderr
    );
    let out = evm(&anvil, &folder, &["deploy", "--yes", "--interactive"]);
    assert!(
        out.code == 1 && out.stderr.contains("terminal"),
        "{}",
        out.stderr
    );
    // An account without ether.
    let zkml = prepared(&anvil, &folder, &["deploy", "--yes"]);
    let out = checked(zkml.env("ZKML_PRIVATE_KEY", &"7".repeat(64)));
    assert_eq!(out.code, 1);
    assert!(out.stderr.contains("has 0 wei"), "{}", out.stderr);
    assert!(!out.stderr.contains("7777777"), "{}", out.stderr);
    assert_eq!(anvil.block(), "0x0");

    // Keystores: the one of the format's definition, whose account gets ether first.
    let keystore = folder.path("key.json");
    fs::write(&keystore, KEYSTORE).unwrap();
    let account = "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b";
    anvil.rpc("anvil_setBalance", json!([account, "0xde0b6b3a7640000"]));
    let password = folder.path("password");
    fs::write(&password, "wrong\n").unwrap();
    let open = [
        "deploy",
        "--yes",
        "--keystore",
        &keystore,
        "--password-file",
        &password,
    ];
    let out = evm(&anvil, &folder, &open);
    assert!(
        out.code == 1 && out.stderr.contains("key.json"),
        "{}",
        out.stderr
    );
    fs::write(&password, "testpassword\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for (mode, warned) in [(0o644, true), (0o640, true), (0o604, true), (0o600, false)] {
            fs::set_permissions(&password, fs::Permissions::from_mode(mode)).unwrap();
            let dry = [&["deploy", "--dry-run"], &open[2..]].concat();
            let out = evm(&anvil, &folder, &dry);
            assert_eq!(out.code, 0, "{}", out.stderr);
            let line = "other users of this machine can read this password";
            assert_eq!(
                out.stderr.contains(line),
                warned,
                "{mode:o}: {}",
                out.stderr
            );
            assert!(!out.stderr.contains("testpassword"), "{}", out.stderr);
        }
    }
    let done = evm_json(&anvil, &folder, &open);
    assert_eq!(text(&done["verifier"]["record"], "deployer"), account);
}

#[test]
fn the_doctor_says_what_is_there() {
    let anvil = Anvil::start(&[]);
    let object = json(&checked(anvil.zkml().args(&["evm", "doctor", "--json"])));
    assert_eq!(text(&object, "status"), "ok", "{object}");
    for field in ["version", "origin", "path"] {
        assert!(object["solc"][field].is_string(), "{object}");
    }
    assert!(
        text(&object["anvil"], "version").contains("anvil"),
        "{object}"
    );
    assert_eq!(object["rpc"]["chain_id"], 31337);
    let bad = ["evm", "doctor", "--solc", "/nowhere/solc"];
    let out = checked(anvil.zkml().args(&bad));
    assert_eq!(out.code, 1);
    assert!(out.stdout.contains("anvil"), "{}", out.stdout);
    assert!(out.stderr.contains("/nowhere/solc"), "{}", out.stderr);
    let url = anvil.url();
    drop(anvil);
    let out = checked(Zkml::new().args(&["evm", "doctor", "--rpc-url", &url]));
    assert!(
        out.code == 1 && out.stderr.contains("eth_chainId"),
        "{}",
        out.stderr
    );
}

/// On a terminal, which util-linux's `script` makes.
#[test]
#[cfg(target_os = "linux")]
fn secrets_are_asked_for_and_do_not_show() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let (anvil, folder) = (Anvil::start(&[]), copy());
    let zkml = env!("CARGO_BIN_EXE_zkml");
    let url = anvil.url();
    let line = format!(
        "{zkml} evm deploy --verifier-only --contract contract --rpc-url {url} --interactive"
    );
    for (answer, code) in [("n", 1), ("y", 0)] {
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(folder.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script of util-linux starts");
        let mut input = child.stdin.take().unwrap();
        // The terminal shows what is typed before the question comes.
        std::thread::sleep(std::time::Duration::from_secs(2));
        writeln!(input, "{}", KEYS[0]).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(2));
        writeln!(input, "{answer}").unwrap();
        let out = child.wait_with_output().unwrap();
        drop(input);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert!(said.contains("Private key: "), "{said}");
        assert!(!said.contains(&KEYS[0][..16]), "{said}");
        assert!(said.contains("for at most"), "{said}");
    }
}

const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
"kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
