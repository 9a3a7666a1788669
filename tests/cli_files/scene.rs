//! A folder with files of all kinds.

use crate::{
    onnx,
    support::{json, Folder, Run, Zkml},
};
use std::{fs, os::unix::fs::PermissionsExt};

pub fn zkml(folder: &Folder, words: &[&str]) -> Run {
    Zkml::new().current_dir(&folder.path("")).args(words).run()
}

fn npy(rows: usize) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00\x46\x00".to_vec();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}");
    bytes.extend(format!("{header:<69}\n").bytes());
    bytes.extend((0..2 * rows).flat_map(|i| (0.25 * i as f32).to_le_bytes()));
    bytes
}

/// Secrets. The password is a number of JSON, which a parser may quote.
pub const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
pub const PASSWORD: &str = "8264195307";
pub const CIPHERTEXT: &str = "6e1c1b8a1e0cbb1d7a9dd5b6a2f9a6b0c7f9b4f3d3a1e5e8b2c4d6f8091a3b5c";

/// A folder with one file of every kind, of zkml's own and of the user's.
pub fn scene() -> Folder {
    let folder = Folder::new();
    let layer = onnx::node("Gemm", "layer", &["x", "W"], "y");
    let weights = onnx::tensor("W", &[2, 2], &[0.31, -0.22, 0.17, 0.05]);
    let pair = |name| onnx::value(name, &[1, 2]);
    let model = onnx::model(&[layer], &[weights], pair("x"), pair("y"));
    let write = |name: &str, bytes: &[u8], mode: u32| {
        let path = folder.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("model.onnx", &model, 0o644);
    write("samples.npy", &npy(3), 0o640);
    write("input.json", b"[[0.25, 0.5]]", 0o640);
    // The user's own, as close to what zkml writes as may be.
    write("scale.json", b"{\"scale\": [[0.25, 0.5]]}", 0o640);
    write("one.json", b"{\"scale\": 1}", 0o640);
    write("graph.json", b"{\"graph\": [[0.25, 0.5]]}", 0o640);
    write(
        "drawing.svg",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        0o644,
    );
    write(
        "Mine.sol",
        b"// SPDX-License-Identifier: MIT\ncontract Mine {}\n",
        0o644,
    );
    write("private.hex", format!("{KEY}\n").as_bytes(), 0o600);
    write("seed.hex", format!("{KEY}{}", &KEY[2..]).as_bytes(), 0o600);
    write("password", PASSWORD.as_bytes(), 0o600);
    let keystore = format!("{{\"version\": 3, \"crypto\": {{\"ciphertext\": \"{CIPHERTEXT}\"}}}}");
    write("keystore.json", keystore.as_bytes(), 0o600);
    let done = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let out = zkml(&folder, &words);
        assert_eq!(out.code, 0, "{words:?}: {}", out.stderr);
        out
    };
    done("calibrate model.onnx --data samples.npy --out settings.json --plot plot.svg");
    let setup =
        "setup model.onnx --settings settings.json --optimize direct --input-visibility hashed";
    let out = done(&format!("{setup} --out keys --json"));
    let k = &json(&out)["shape"]["k"];
    done(&format!("srs dev -k {k} --out dev.srs"));
    done("prove input.json --keys keys --srs dev.srs --out proof.zkml --transcript poseidon");
    done("evm generate --keys keys --mode direct --name Contract --out contract");
    let call =
        "evm calldata --function deploy-verifier --chain-id 31337 --contract contract/Contract.json";
    done(&format!("{call} --out calldata.hex"));
    fs::create_dir(folder.path("links")).unwrap();
    folder
}
