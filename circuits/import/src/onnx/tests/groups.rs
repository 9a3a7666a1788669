//! Convolutions in groups: what runs is laid out, whatever the outputs of a group.

use super::integers::satisfied;
use super::*;

/// `Σ x·w` over a group's channels, without padding.
fn expected(x: &[f32], w: &[f32], [channels, outputs, groups]: [usize; 3]) -> Vec<f32> {
    let (depth, each) = (channels / groups, outputs / groups);
    let mut y = Vec::new();
    for o in 0..outputs {
        for (row, column) in (0..3).flat_map(|r| (0..3).map(move |c| (r, c))) {
            let mut sum = 0.0;
            for (d, t) in (0..depth).flat_map(|d| (0..4).map(move |t| (d, t))) {
                let c = o / each * depth + d;
                let pixel = (c * 4 + row + t / 2) * 4 + column + t % 2;
                sum += x[pixel] * w[(o * depth + d) * 4 + t];
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn any_number_of_outputs_a_group() {
    for sizes @ [channels, outputs, groups] in [
        [2, 4, 2],
        [2, 6, 2],
        [3, 3, 3],
        [3, 12, 3],
        [4, 2, 2],
        [4, 6, 2],
        [4, 4, 2],
        [6, 3, 3],
        [2, 2, 1],
    ] {
        let depth = channels / groups;
        let number = |i: usize| ((i * 7 + 3) % 11) as f32 / 8.0 - 0.5;
        let w: Vec<f32> = (0..outputs * depth * 4).map(number).collect();
        let x: Vec<f32> = (0..channels * 16).map(|i| number(i + 5)).collect();
        let dims = [outputs as i64, depth as i64, 2, 2];
        let groups_of = [int("group", groups as i64)];
        let proto = model(
            &[1, channels as i64, 4, 4],
            vec![floats("w", &dims, &w)],
            vec![node("Conv", &["x", "w"], "y", &groups_of)],
        );
        let model = check(&proto, &x, &expected(&x, &w, sizes));
        let options = ImportOptions {
            scale: Some(64),
            ..Default::default()
        };
        let small = super::super::load(&proto.encode_to_vec(), &options);
        let small = small.and_then(FloatModel::quantise).unwrap();
        let x = x.iter().map(|v| (v * 64.0) as i64).collect();
        satisfied(small, &[x]);
        assert_eq!(model.source.outputs[0].shape, [1, outputs, 3, 3]);
    }
}
