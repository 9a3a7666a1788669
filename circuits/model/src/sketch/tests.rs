//! Sizes that 64 bits do not hold.

use super::Sketch;
use zkml_import::{LayerShape, Operand, Shapes};

/// Layers of any size a file may name, whose products 64 bits do not hold.
#[test]
fn sizes_beyond_64_bits_are_refused() {
    let huge = usize::MAX / 3;
    let operand = |id, shape: &[usize], weight| Operand {
        id,
        shape: shape.to_vec(),
        weight,
    };
    let layer = |kind: &str, operands: Vec<Operand>, params: &[i64], out: &[usize]| LayerShape {
        name: "the layer".into(),
        kind: kind.into(),
        params: params.to_vec(),
        operands,
        ids: vec![9],
        outputs: vec![out.to_vec()],
    };
    let image = |h| operand(0, &[1, h, h, 3], false);
    let kernel = |h| operand(1, &[huge, h, h, 3], true);
    let layers = [
        layer(
            "Conv2D",
            vec![image(huge), kernel(3)],
            &[0, 0, 0, 1, 1],
            &[1, huge, huge, 3],
        ),
        layer(
            "Conv2D",
            vec![image(8), kernel(huge)],
            &[0, 0, 0, i64::MAX, 1],
            &[1, 8, 8, 3],
        ),
        layer(
            "Conv2D",
            vec![image(8), kernel(3)],
            &[0, 0, 0, i64::MIN, 1],
            &[1, 0, 0, 3],
        ),
        layer(
            "MaxPool2D",
            vec![image(8)],
            &[i64::MAX, i64::MAX],
            &[1, 8, 8, 3],
        ),
        layer(
            "AveragePool2D",
            vec![image(8)],
            &[i64::MIN, i64::MAX],
            &[1, 8, 8, 3],
        ),
        layer(
            "FullyConnected",
            vec![image(8), kernel(8)],
            &[],
            &[huge, huge],
        ),
        layer("Mul", vec![image(8), image(8)], &[], &[huge, 5]),
        layer(
            "BatchMatMul",
            vec![image(huge), image(huge)],
            &[],
            &[huge, huge],
        ),
    ];
    for layer in layers {
        let kind = layer.kind.clone();
        let shapes = Shapes {
            scale: 1 << 10,
            k: 17,
            layers: vec![layer],
        };
        let error = Sketch::of(&shapes).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("layer 'the layer'"), "{kind}: {error}");
    }
}
