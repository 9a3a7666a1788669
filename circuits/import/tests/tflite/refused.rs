//! Files that are refused: what is not read, by name, and hostile files.

use super::{
    execute, import, one, shared,
    tflite::{computed, file, integers, model, node, number, reals, Item, Node, Tensor},
    NONE,
};
use rand::{rngs::StdRng, Rng, SeedableRng};
use zkml_import::Format;

#[test]
fn what_is_not_read_is_refused_by_name() {
    let x = || computed(&[1, 4, 4, 1]);
    let row = || computed(&[1, 6]);
    let (kernel, kinds) = (|| reals(&[1, 1, 1, 1], &[1.0]), |ty| Tensor { ty, ..x() });
    let half = Some(Item::Number(0.5f32.to_bits()));
    let softmax = |field| Node {
        options: (9, vec![field]),
        ..node(25, &[0], &[1], NONE)
    };
    let newer = Node {
        version: 9,
        ..node(3, &[0, 1], &[2], (1, &[0, 1, 1, 0]))
    };
    let cases: Vec<(Vec<Tensor>, Node, &str)> = vec![
        (vec![x(), x()], node(117, &[0], &[1], NONE), "HARD_SWISH (operator 0)"),
        (vec![x(), x()], node(32, &[0], &[1], NONE), "CUSTOM (operator 0)"),
        (vec![x(), x()], node(9999, &[0], &[1], NONE), "operator number 9999 (operator 0)"),
        (vec![x(), kernel(), x()], newer, "CONV_2D of version 9 (read up to 7) (operator 0)"),
        (vec![x(), kinds(9)], node(19, &[0], &[1], NONE), "inputs and outputs: tensor 't1': expected FLOAT32"),
        (
            vec![x(), Tensor { ty: 9, ..kernel() }, x()],
            node(3, &[0, 1], &[2], (1, &[0, 1, 1, 0])),
            "operator 0 (CONV_2D): tensor 't1': expected FLOAT32 (quantised and half-precision models are not read), got INT8",
        ),
        (
            vec![x(), kernel(), x()],
            node(3, &[0, 1], &[2], (1, &[0, 1, 1, 4])),
            "operator 0 (CONV_2D): fused activation: expected NONE, RELU or RELU6, got TANH",
        ),
        (
            vec![x(), kernel(), x()],
            node(3, &[0, 1], &[2], (1, &[0, 1, 1, 0, 2, 1])),
            "dilation_w_factor: expected 1, got 2",
        ),
        (
            vec![x(), kernel(), x()],
            node(3, &[0, 1], &[2], (5, &[0, 1, 1, 0])),
            "builtin_options_type: expected 1, got 5",
        ),
        (
            vec![x(), kernel(), computed(&[1, 3, 4, 1])],
            node(3, &[0, 1], &[2], (1, &[0, 1, 1, 0])),
            "output shape",
        ),
        (
            vec![computed(&[1, 40, 40, 1]), computed(&[1, 40, 40, 1])],
            node(1, &[0], &[1], (5, &[0, 1, 1, 99, 99, 0])),
            "at most 256 windows over the edges",
        ),
        (vec![row(), row()], softmax(half), "beta: expected 1, got 0.5"),
        (
            vec![row(), reals(&[], &[1.5]), row()],
            node(78, &[0, 1], &[2], NONE),
            "exponent: expected 2, 3, 0.5 or -0.5, got another one",
        ),
        (
            vec![row(), reals(&[], &[0.0]), row()],
            node(42, &[0, 1], &[2], (29, &[0])),
            "got an infinite one",
        ),
        (
            vec![row(), reals(&[6], &[f32::NAN; 6]), row()],
            node(0, &[0, 1], &[2], (11, &[0])),
            "element 0: expected a number of at most 2^40 in size at scale 16, got NaN",
        ),
        (vec![row(), row()], node(39, &[0, 0], &[1], NONE), "expected INT32 or INT64"),
        (
            vec![row(), Tensor { data: vec![0; 7], ..reals(&[6], &[]) }, row()],
            node(0, &[0, 1], &[2], (11, &[0])),
            "expected 6 constant values of 4 bytes, got 7 bytes",
        ),
        (vec![row(), row()], node(19, &[7], &[1], NONE), "expected one of 2 tensors, got tensor 7"),
        (vec![row(), row()], node(19, &[], &[1], NONE), "expected at least 1, got 0"),
        (
            vec![row(), integers(&[1], &[6]), computed(&[1, 1])],
            node(36, &[0, 1], &[2], (23, &[1])),
            "indices: expected 0 to 5, got 6",
        ),
    ];
    for (tensors, node, part) in cases {
        let error = one(&tensors, node, &[0; 16]).unwrap_err();
        assert!(error.contains(part), "{part}\n{error}");
        assert!(error.contains(".tflite: "), "{error}");
    }
    let graph = || Item::Table(vec![]);
    for (root, part) in [
        (
            Item::Table(vec![Some(number(2))]),
            "schema version: expected 3, got 2",
        ),
        (
            Item::Table(vec![
                Some(number(3)),
                None,
                Some(Item::Tables(vec![graph(), graph()])),
            ]),
            "subgraphs: expected one, got 2",
        ),
    ] {
        let error = import(".tflite", &file(root), 16).unwrap_err();
        assert!(error.contains(part), "{part}\n{error}");
    }
    let error = import(".tflite", b"\x08\x00\x00\x00ONNX", 16).unwrap_err();
    assert!(error.contains("without its identifier TFL3"), "{error}");
}

/// A convolution, a pool, a flatten and a fully connected layer.
fn small() -> Vec<u8> {
    let kernels: Vec<f32> = (0..18).map(|i| i as f32 / 9.0 - 1.0).collect();
    let weights: Vec<f32> = (0..24).map(|i| (i * 5 % 17) as f32 / 8.0 - 1.0).collect();
    let tensors = [
        computed(&[1, 4, 4, 1]),
        reals(&[2, 3, 3, 1], &kernels),
        reals(&[2], &[0.5, -0.5]),
        computed(&[1, 4, 4, 2]),
        computed(&[1, 2, 2, 2]),
        integers(&[2], &[-1, 8]),
        computed(&[1, 8]),
        reals(&[3, 8], &weights),
        computed(&[1, 3]),
    ];
    let nodes = vec![
        node(3, &[0, 1, 2], &[3], (1, &[0, 1, 1, 1])),
        node(17, &[3], &[4], (5, &[1, 2, 2, 2, 2, 0])),
        node(22, &[4, 5], &[6], NONE),
        node(9, &[6, 7, -1], &[8], (8, &[0, 0, 0])),
    ];
    model(&tensors, nodes, &[0], &[8])
}

#[test]
fn a_file_says_what_it_is() {
    let model = import("", &small(), 16).unwrap();
    assert_eq!(model.source.format, Format::Tflite);
    assert_eq!(model.source.inputs[0].name, "t0");
    assert_eq!(execute(&model, &[1; 16])[0].len(), 3);
}

#[test]
fn hostile_files_give_errors() {
    let mut files = vec![small()];
    if let Some(folder) = shared("mnist") {
        files.push(std::fs::read(folder.join("model.tflite")).unwrap());
    }
    let mut rng = StdRng::seed_from_u64(7);
    for file in files {
        for length in (0..file.len()).step_by(64) {
            // Values of a tensor that nothing reads may be what is cut off.
            let cut = import(".tflite", &file[..length], 16);
            assert!(cut.is_err() || length + 64 >= file.len(), "{length}");
        }
        let mut refused = 0;
        for _ in 0..2000 {
            let mut file = file.clone();
            for _ in 0..1 << rng.gen_range(0..4) {
                let at = rng.gen_range(0..file.len());
                file[at] ^= 1 << rng.gen_range(0..8);
            }
            refused += usize::from(import(".tflite", &file, 16).is_err());
        }
        assert!(refused > 100, "{refused}");
    }
    // Counts, offsets and sizes that promise more than there is.
    for value in [1 << 20, u32::MAX, 1 << 31] {
        let file = small();
        for at in (0..file.len() - 4).step_by(4) {
            let mut file = file.clone();
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let _ = import(".tflite", &file, 16);
        }
    }
}
