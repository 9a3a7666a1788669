//! Input files: what they hold, and what is wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking.

#[path = "support/packed.rs"]
mod packed;

use packed::to_msgpack;

use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use proptest::prelude::*;
use serde_json::json;
use zkml_graph::{Graph, Interval, Role, Tensor, TensorId, Visibility};
use zkml_import::inputs::{load, read as read_seen};
use zkml_import::{Format, Layout, Port, Source};

/// What [`load`] gives, with its error as text.
type Loaded = Result<Vec<Vec<i64>>, String>;

/// A graph of inputs only, at scale 16 with values of 12 bits.
fn graph(shapes: &[&[usize]], layout: Layout) -> (Graph, Source) {
    let names = |i: usize| i.to_string();
    let tensor = |(i, shape): (usize, &&[usize])| Tensor {
        name: names(i),
        shape: shape.to_vec(),
        role: Role::Input,
        range: Interval {
            lo: -2048,
            hi: 2047,
        },
    };
    let port = |(i, shape): (usize, &&[usize])| Port {
        name: names(i),
        shape: [&[1], *shape].concat(),
        layout,
        scale: None,
    };
    let graph = Graph {
        scale: 16,
        tensors: shapes.iter().enumerate().map(tensor).collect(),
        nodes: vec![],
        inputs: (0..shapes.len()).map(TensorId).collect(),
        outputs: vec![TensorId(0)],
        tables: Vec::new(),
    };
    let inputs = shapes.iter().enumerate().map(port).collect();
    (
        graph,
        Source {
            format: Format::Msgpack,
            inputs,
            outputs: vec![],
        },
    )
}

fn read(extension: &str, bytes: &[u8], shapes: &[&[usize]], layout: Layout) -> Loaded {
    let file = tempfile::Builder::new()
        .suffix(&format!(".{extension}"))
        .tempfile()
        .unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (graph, source) = graph(shapes, layout);
    load(file.path(), &graph, &source).map_err(|error| {
        let text = error.to_string();
        assert!(
            text.starts_with(&file.path().display().to_string()),
            "{text}"
        );
        text
    })
}

fn plain(extension: &str, bytes: &[u8], shapes: &[&[usize]]) -> Loaded {
    read(extension, bytes, shapes, Layout::Plain)
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

#[test]
fn npy_files() {
    let f4: Vec<u8> = [0.5f32, -1.0, 0.03125, 2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let f8: Vec<u8> = [0.5f64, -1.0, 0.03125, 2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    // 0.03125 · 16 = 0.5, away from zero.
    let expected = Ok(vec![vec![8, -16, 1, 32]]);
    for shape in ["(4,)", "(1, 4)", "(1, 2, 2)", "(2, 2)", "(2, 2, 1)"] {
        assert_eq!(
            plain("npy", &npy("<f4", shape, &f4), &[&[2, 2]]),
            expected,
            "{shape}"
        );
    }
    assert_eq!(
        plain("npy", &npy("<f8", "(2, 2)", &f8), &[&[2, 2]]),
        expected
    );
    let big: Vec<u8> = [0.5f32, -1.0]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    assert_eq!(
        plain("npy", &npy(">f4", "(2,)", &big), &[&[2]]),
        Ok(vec![vec![8, -16]])
    );
    assert_eq!(
        plain("npy", &npy("|u1", "(2,)", &[3, 100]), &[&[2]]),
        Ok(vec![vec![48, 1600]])
    );
    assert_eq!(
        plain("npy", &npy("|i1", "(2,)", &[3, 255]), &[&[2]]),
        Ok(vec![vec![48, -16]])
    );
    let i8 = [5i64, -5].map(i64::to_le_bytes).concat();
    assert_eq!(
        plain("npy", &npy("<i8", "(2,)", &i8), &[&[2]]),
        Ok(vec![vec![80, -80]])
    );
    let fortran = npy("<f4", "(2, 2)", &f4);
    let at = fortran.windows(5).position(|w| w == b"False").unwrap();
    let fortran = [&fortran[..at], b"True ", &fortran[at + 5..]].concat();
    let cases = [
        (plain("npy", &fortran, &[&[2, 2]]), "fortran_order"),
        (
            plain("npy", &npy("<f4", "(3,)", &f4[..12]), &[&[2, 2]]),
            "expected shape [1, 2, 2]",
        ),
        (
            plain("npy", &npy("<f4", "(4, 1, 1)", &f4), &[&[2], &[2]]),
            "one input",
        ),
        (
            plain("npy", &npy("<f4", "(4,)", &f4[..15]), &[&[4]]),
            "15 bytes",
        ),
        (plain("npy", &npy("<c8", "(4,)", &f4), &[&[4]]), "descr"),
        (
            plain(
                "npy",
                &npy("<f4", "(99999999999, 99999999999)", &f4),
                &[&[4]],
            ),
            "npy data",
        ),
        (plain("npy", &npy("<f4", "(-4,)", &f4), &[&[4]]), "sizes"),
        (plain("npy", &npy("<f4", "4", &f4), &[&[4]]), "tuple"),
        (
            plain("npy", b"\x93NUMPY\x01\x00\xff\xff{}", &[&[4]]),
            "header",
        ),
        (plain("npy", b"PK", &[&[4]]), "magic"),
        (
            plain("npy", &npy("|u1", "(2,)", &[3, 200]), &[&[2]]),
            "input '0', index [0, 1]: expected a number from -128 to 127.9375, got one beyond",
        ),
        (
            plain("npy", &npy("<f4", "(1,)", &f32::NAN.to_le_bytes()), &[&[1]]),
            "finite",
        ),
    ];
    check(&cases);
}

fn check(cases: &[(Loaded, &str)]) {
    for (result, expected) in cases {
        let text = result.as_ref().unwrap_err();
        assert!(
            text.contains(expected),
            "'{text}' does not mention '{expected}'"
        );
    }
}

#[test]
fn json_files() {
    let json = |value: serde_json::Value, shapes: &[&[usize]]| {
        plain("json", value.to_string().as_bytes(), shapes)
    };
    let expected = || Ok(vec![vec![8, -16, 0, 32]]);
    assert_eq!(json(json!([0.5, -1, 0, 2]), &[&[4]]), expected());
    assert_eq!(json(json!([[[0.5, -1], [0, 2]]]), &[&[2, 2]]), expected());
    assert_eq!(
        json(json!({"input_data": [[0.5, -1, 0, 2]], "x": 1}), &[&[2, 2]]),
        expected()
    );
    let two = json!({"input_data": [[0.5], [[1], [2]]]});
    let read = || Ok(vec![vec![8], vec![16, 32]]);
    assert_eq!(json(two, &[&[1], &[2]]), read());
    let named = json!({"1": [1, 2], "0": 0.5});
    assert_eq!(json(named, &[&[1], &[2]]), read());
    assert_eq!(json(json!(0.5), &[&[1]]), Ok(vec![vec![8]]));
    assert_eq!(json(json!({"input_data": 0.5}), &[&[1]]), Ok(vec![vec![8]]));
    let marked = [b"\xef\xbb\xbf".as_slice(), b"[0.5, -1, 0, 2]"].concat();
    assert_eq!(plain("json", &marked, &[&[4]]), expected());
    check(&[
        (
            json(json!([1, 2]), &[&[4]]),
            "expected shape [1, 4], dimensions of 1 as you like, or a flat list of 4, got shape [2]",
        ),
        (
            json(json!([[1], [2]]), &[&[1], &[1], &[1]]),
            "a list for each of 3 inputs",
        ),
        (json(json!({"data": []}), &[&[4]]), "input_data"),
        (
            json(json!([1, [2, "three"]]), &[&[4]]),
            "JSON element [1]: expected a number, as elsewhere in it, got a list",
        ),
        (json(json!([1, null]), &[&[4]]), "null"),
        (json(json!(7), &[&[4]]), "got shape []"),
        (
            json(json!(7), &[&[1], &[1]]),
            "a list of 2 inputs, got a number",
        ),
        (
            json(json!([1, 2, 1e9, 4]), &[&[4]]),
            "index [0, 2]: expected a number from -128 to 127.9375, got one beyond",
        ),
        (
            json(json!([1, 2, 1e300, 4]), &[&[4]]),
            "index [0, 2]: expected a finite number",
        ),
        // What states a shape is held to it.
        (
            json(json!([[1, 2], [3, 4]]), &[&[4]]),
            "got shape [2, 2]",
        ),
        (
            json(json!([[[1], [2]], [[3], [4]], [[5], [6]]]), &[&[2, 3]]),
            "expected shape [1, 2, 3], dimensions of 1 as you like, or a flat list of 6, got shape [3, 2, 1]",
        ),
        (
            json(json!([[1, 2, 3, 4], [5, 6, 7, 8]]), &[&[4]]),
            "got shape [2, 4]",
        ),
        (
            json(json!([[1, 2], [3]]), &[&[2, 2]]),
            "JSON element [1]: expected a list of 2, as elsewhere in it, got one of 1",
        ),
        (
            json(json!([[1, 2], 3, 4]), &[&[2, 2]]),
            "JSON element [1]: expected a list, as elsewhere in it, got a number",
        ),
        (json(json!([[[1, 2]], [[]]]), &[&[2, 2]]), "got one of 0"),
        (json(json!([]), &[&[4]]), "got shape [0]"),
        (
            json(json!([[1], [2, [3]]]), &[&[1], &[2]]),
            "JSON element [1][1]: expected a number, as elsewhere in it, got a list",
        ),
        // Names.
        (
            json(json!({"0": [1], "2": [2]}), &[&[1], &[1]]),
            "a key input_data, or one for each of the model's inputs: '0', '1', got keys 0, 2",
        ),
        (
            json(json!({"0": [1], "1": [2], "2": [3]}), &[&[1], &[1]]),
            "got keys 0, 1, 2",
        ),
        (
            json(json!({"0": [1], "input_data": [1]}), &[&[1]]),
            "got keys 0, input_data",
        ),
        (
            plain("json", br#"{"0": [1], "0": [1]}"#, &[&[1]]),
            "expected each key once, got '0' twice",
        ),
        (
            plain("json", br#"{"input_data": [1], "input_data": [1]}"#, &[&[1]]),
            "expected each key once, got 'input_data' twice",
        ),
        (
            json(json!({"0": [1, "2"]}), &[&[2]]),
            "JSON element '0' [1]: expected a number, a boolean or a list, got a string (numbers stand without quotes)",
        ),
        // What is no JSON.
        (
            plain("json", b"[1,\n NaN]", &[&[2]]),
            "JSON, line 2, column 2: expected a finite number, got NaN",
        ),
        (
            plain("json", b"[-Infinity, 1]", &[&[2]]),
            "expected a finite number, got -Infinity",
        ),
        (
            plain("json", b"\xff\xfe[\x001\0]\0", &[&[1]]),
            "expected JSON in UTF-8, got UTF-16",
        ),
        (
            plain("json", b"[\x001\0]\0", &[&[1]]),
            "expected JSON in UTF-8, got UTF-16",
        ),
        (
            plain("json", b"[\xe9]", &[&[1]]),
            "bytes that are no text at 1",
        ),
        (plain("json", b" \n", &[&[1]]), "got an empty file"),
        (
            plain(
                "json",
                b"version https://git-lfs.github.com/spec/v1\noid",
                &[&[1]],
            ),
            "a pointer of Git LFS",
        ),
        (plain("json", b"[1, 2", &[&[4]]), "JSON"),
        (
            plain("json", "[".repeat(100_000).as_bytes(), &[&[4]]),
            "JSON",
        ),
    ]);
}

#[test]
fn msgpack_files() {
    let tensors = |value: serde_json::Value, shapes: &[&[usize]]| {
        plain("msgpack", &to_msgpack(&value), shapes)
    };
    let one =
        |idx: i64, shape: &[i64], data: &[i64]| json!({"idx": idx, "shape": shape, "data": data});
    let good = json!([one(1, &[1, 2], &[7, 8]), one(0, &[1, 1], &[-5])]);
    assert_eq!(tensors(good, &[&[1], &[2]]), Ok(vec![vec![-5], vec![7, 8]]));
    check(&[
        (
            tensors(json!([one(3, &[1], &[1])]), &[&[1]]),
            "a tensor for input '0', got indices [3]",
        ),
        (
            tensors(json!([one(0, &[2], &[1])]), &[&[2]]),
            "as many values",
        ),
        (
            tensors(json!([one(0, &[1], &[1]), one(0, &[1], &[2])]), &[&[1]]),
            "tensors with index 0: expected one, got more",
        ),
        (
            tensors(json!([one(0, &[3], &[1, 2, 3])]), &[&[2]]),
            "expected shape [1, 2]",
        ),
        (
            tensors(json!([one(0, &[-3], &[1, 2, 3])]), &[&[3]]),
            "a shape",
        ),
        (
            tensors(json!([one(0, &[1], &[2048])]), &[&[1]]),
            "input '0', index [0, 0]: expected a number from -2048 to 2047, got one beyond",
        ),
        (tensors(json!({"idx": 0}), &[&[1]]), "a list of tensors"),
        (
            plain("msgpack", &[0xdd, 0xff, 0xff, 0xff, 0xff], &[&[1]]),
            "MessagePack",
        ),
    ]);
}

fn png(image: &image::DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn png_files() {
    // 255 is 1.0, which is 16; 128 is 8.03.
    let grey = GrayImage::from_fn(3, 2, |x, y| Luma([[0, 255, 128][(x + y) as usize % 3]]));
    let grey = png(&grey.into());
    let expected = Ok(vec![vec![0, 16, 8, 16, 8, 0]]);
    for shape in [&[1, 2, 3][..], &[2, 3, 1], &[2, 3], &[6]] {
        assert_eq!(plain("png", &grey, &[shape]), expected, "{shape:?}");
    }
    let colour = |w, h| {
        png(&RgbImage::from_fn(w, h, |x, _| Rgb([0, 255, [0, 128, 255][x as usize % 3]])).into())
    };
    let last = vec![0, 16, 0, 0, 16, 8];
    let first = vec![0, 0, 16, 16, 0, 8];
    assert_eq!(plain("png", &colour(2, 1), &[&[1, 2, 3]]), Ok(vec![last]));
    assert_eq!(plain("png", &colour(2, 1), &[&[3, 1, 2]]), Ok(vec![first]));
    // Three by three by three: only the source's layout can tell.
    let of = |layout| {
        read("png", &colour(3, 3), &[&[3, 3, 3]], layout)
            .unwrap()
            .remove(0)
    };
    assert_eq!(of(Layout::ChannelsLast)[..6], [0, 16, 0, 0, 16, 8]);
    assert_eq!(of(Layout::ChannelsFirst)[..3], [0, 0, 0]);
    let alpha = png(&image::RgbaImage::new(2, 2).into());
    let deep = png(&image::DynamicImage::new_luma16(2, 2));
    check(&[
        (
            plain("png", &grey, &[&[1, 3, 2]]),
            "an image for shape [1, 3, 2], got 1 channels of 2 × 3",
        ),
        (
            plain("png", &colour(2, 2), &[&[1, 2, 2]]),
            "3 channels of 2 × 2",
        ),
        (plain("png", &colour(2, 2), &[&[12]]), "3 channels"),
        (plain("png", &alpha, &[&[1, 2, 2]]), "without alpha"),
        (plain("png", &deep, &[&[1, 2, 2]]), "8-bit"),
        (plain("png", &grey[..20], &[&[1, 2, 3]]), "png"),
        (plain("png", b"hello", &[&[1, 2, 3]]), "png"),
    ]);
}

#[test]
fn other_files() {
    check(&[(
        plain("txt", b"1 2", &[&[2]]),
        ".npy, .npz, .json, .msgpack or .png, got .txt",
    )]);
    let (graph, source) = graph(&[&[1]], Layout::Plain);
    let error = load("/nonexistent.npy".as_ref(), &graph, &source).unwrap_err();
    assert!(
        error.to_string().starts_with("/nonexistent.npy: "),
        "{error}"
    );
}

/// A zip archive of arrays: name, stored bytes, and whether Deflate packed them.
fn npz(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    use std::io::Write;
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    let short = |v: usize| u16::try_from(v).unwrap().to_le_bytes();
    let long = |v: usize| u32::try_from(v).unwrap().to_le_bytes();
    for (name, content, packed) in files {
        let mut data = content.to_vec();
        if *packed {
            let mut deflate =
                flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            deflate.write_all(content).unwrap();
            data = deflate.finish().unwrap();
        }
        let start = long(archive.len());
        let method = short(if *packed { 8 } else { 0 });
        let sizes = [long(data.len()), long(content.len())].concat();
        let common = [&[0; 2][..], &method, &[0; 8], &sizes, &short(name.len())].concat();
        archive.extend([b"PK\x03\x04\x14\0", &common[..], &[0; 2], name.as_bytes()].concat());
        archive.extend(&data);
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 12]].concat());
        directory.extend([&start[..], name.as_bytes()].concat());
    }
    let (start, count) = (long(archive.len()), short(files.len()));
    let end = [
        &[0; 4][..],
        &count,
        &count,
        &long(directory.len()),
        &start,
        &[0; 2],
    ]
    .concat();
    [archive, directory, b"PK\x05\x06".to_vec(), end].concat()
}

#[test]
fn npz_files() {
    let [one, two] = [[1u8, 2], [3, 4]].map(|data| npy("|u1", "(2,)", &data));
    let both: &[&[usize]] = &[&[2], &[2]];
    let expected = || Ok(vec![vec![16, 32], vec![48, 64]]);
    for packed in [false, true] {
        // By name, in any order; NumPy's names are positions.
        let named = npz(&[("1.npy", &two, packed), ("0.npy", &one, packed)]);
        assert_eq!(plain("npz", &named, both), expected());
        let unnamed = npz(&[("arr_0.npy", &one, packed), ("arr_1.npy", &two, packed)]);
        assert_eq!(plain("npz", &unnamed, both), expected());
        let only = npz(&[("img.npy", &one, packed)]);
        assert_eq!(plain("npz", &only, &[&[2]]), Ok(vec![vec![16, 32]]));
        for end in 0..named.len() {
            let _ = plain("npz", &named[..end], both);
        }
        for at in 0..named.len() {
            for byte in [0, 1, 0xff] {
                let mut broken = named.clone();
                broken[at] = byte;
                let _ = plain("npz", &broken, both);
            }
        }
    }
    let twice = npz(&[("0.npy", &one, false), ("0.npy", &two, false)]);
    let other = npz(&[("0.npy", &one, false), ("x.npy", &two, false)]);
    check(&[
        (plain("npz", &twice, both), "one name twice"),
        (
            plain("npz", &other, both),
            "expected an array for each of the model's inputs: '0', '1', got 2 (0, x)",
        ),
        (
            plain("npz", &npz(&[("0.npy", &one, false)]), &[&[3]]),
            "got shape [2]",
        ),
        (plain("npz", b"PK\x03\x04", both), "zip archive"),
        (plain("npz", &npz(&[]), both), "got 0 ()"),
    ]);
}

#[test]
fn half_precision() {
    // 0.5, −1, the smallest subnormal.
    let bits = [0x3800u16, 0xbc00, 1];
    let little = bits.map(u16::to_le_bytes).concat();
    let big = bits.map(u16::to_be_bytes).concat();
    let expected = Ok(vec![vec![8, -16, 0]]);
    assert_eq!(
        plain("npy", &npy("<f2", "(3,)", &little), &[&[3]]),
        expected
    );
    assert_eq!(plain("npy", &npy(">f2", "(3,)", &big), &[&[3]]), expected);
}

/// A model that takes integers from −2048 to 2047, and its source.
fn of_integers(name: &str) -> (Graph, Source) {
    let (mut graph, mut source) = graph(&[&[2]], Layout::Plain);
    graph.tensors[0].name = "a node".to_owned();
    source.inputs[0].name = name.to_owned();
    source.inputs[0].scale = Some(1);
    (graph, source)
}

#[test]
fn integers_are_whole() {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let (graph, source) = of_integers("ids");
    let of = |text: &str, sight: Visibility| {
        std::fs::write(file.path(), text).unwrap();
        let inputs = read_seen(file.path(), &graph, &source, &|_| sight);
        inputs.map_err(|error| error.to_string())
    };
    let whole = of("[3, 2.0]", Visibility::Public).unwrap();
    assert_eq!(whole.values, [[3, 2]]);
    assert_eq!(
        whole.rounding[0].words(),
        "'ids': 2 whole numbers, none rounded"
    );
    let error = of("[3, 2.5]", Visibility::Public).unwrap_err();
    let expected =
        "input 'ids', index [0, 1]: expected a whole number, for the model takes integers there, got 2.5";
    assert!(error.contains(expected), "{error}");
    let error = of("[3, 2048]", Visibility::Public).unwrap_err();
    let expected = "input 'ids', index [0, 1]: expected a number from -2048 to 2047, got 2048";
    assert!(error.contains(expected), "{error}");
    // No message has what others must not see.
    for sight in [Visibility::Private, Visibility::Hashed] {
        for (text, number) in [("[3, 2.75]", "2.75"), ("[3, 20482]", "20482")] {
            let error = of(text, sight).unwrap_err();
            assert!(error.contains("index [0, 1]"), "{error}");
            assert!(!error.contains(number), "{error}");
        }
    }
}

#[test]
fn rounding_is_counted() {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), "[0.5, 0.51, 2, -0.03125]").unwrap();
    let (graph, source) = graph(&[&[4]], Layout::Plain);
    let inputs = read_seen(file.path(), &graph, &source, &|_| Visibility::Public).unwrap();
    assert_eq!(inputs.values, [[8, 8, 32, -1]]);
    assert_eq!(
        inputs.rounding[0].words(),
        "'0': 2 of 4 numbers were rounded to the nearest multiple of 1/16, half away from zero"
    );
}

proptest! {
    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte: u8) {
        for extension in ["npy", "npz", "json", "msgpack", "png"] {
            let _ = plain(extension, &bytes, &[&[2, 2]]);
        }
        let mut array = npy("<f4", "(2, 2)", &[0; 16]);
        let at_array = at.index(array.len());
        array[at_array] = byte;
        let _ = plain("npy", &array, &[&[2, 2]]);
        let mut image = png(&GrayImage::new(3, 3).into());
        let at = at.index(image.len());
        image[at] = byte;
        let _ = plain("png", &image, &[&[1, 3, 3]]);
    }
}
