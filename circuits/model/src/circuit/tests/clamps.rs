//! Clamps whose bounds are far from the values or from each other, after every layer that has one.

use super::{enemy::architecture, enemy::Attack, fixtures::*};
use zkml_graph::{Clamp, Op, TensorId};

const KINDS: usize = 6;

/// A model with this clamp in its middle.
fn model(kind: usize, clamp: Clamp) -> Model {
    let clamp = Some(clamp);
    let mut model = Model::new(31 + kind as u64);
    let div = SCALE;
    let (shape, op): (&[usize], Op) = match kind {
        0 => {
            let x = model.input(&[2, 4, 4], 9);
            let op = Op::Conv {
                x,
                w: model.weight(&[3, 2, 3, 3], 300),
                bias: Some(model.weight(&[3], 50)),
                window: window(3, 1, 1),
                groups: 1,
                div,
                clamp,
            };
            (&[3, 4, 4], op)
        }
        1 => {
            let x = model.input(&[8], 9);
            let (w, bias) = (model.weight(&[8, 8], 300), None);
            let op = Op::Linear {
                x,
                w,
                bias,
                div,
                clamp,
            };
            (&[8], op)
        }
        2 => {
            let x = model.input(&[4, 3], 9);
            let (w, bias) = (Some(model.weight(&[4], 300)), None);
            let op = Op::Scale {
                x,
                w,
                bias,
                div,
                clamp,
            };
            (&[4, 3], op)
        }
        3 => {
            let (a, b) = (model.input(&[12], 10), model.input(&[12], 12));
            (&[12], Op::Mul { a, b, div, clamp })
        }
        4 => {
            let (a, b) = (model.input(&[3, 4], 10), model.input(&[4, 2], 12));
            (&[3, 2], Op::MatMul { a, b, div, clamp })
        }
        _ => {
            let (a, b) = (model.input(&[12], 15), model.input(&[12], 14));
            let op = Op::Combine {
                terms: vec![(3, a), (-40, b)],
                constant: 77,
                div,
                clamp,
            };
            (&[12], op)
        }
    };
    let h = model.node(shape, op);
    let h: TensorId = model.node(&[shape.iter().product()], Op::Reshape { x: h });
    let y = model.node(
        &[shape.iter().product()],
        Op::Combine {
            terms: vec![(1, h)],
            constant: 1,
            div: 1,
            clamp: None,
        },
    );
    model.finish(y)
}

/// All of them are proven, and nothing else is.
#[test]
fn far_and_wide() {
    let far = [1 << 22, 1 << 35, -(1 << 22), -(1 << 35)].map(|lo| (lo, lo + 50));
    let wide = [(-4000, 4000), (-5000, 1 << 30), (-(1 << 30), 7000)];
    for (lo, hi) in far.into_iter().chain(wide) {
        for kind in 0..KINDS {
            let mut model = model(kind, Clamp { lo, hi: Some(hi) });
            for shape in [the_shape(), stacked(14)] {
                let architecture = architecture(&model, shape);
                let plan = architecture
                    .plan()
                    .unwrap_or_else(|e| panic!("{kind}, [{lo}, {hi}]: {e}"));
                let inputs = model.random_input();
                let witness = model.witness(&plan, &inputs);
                let attack = Attack::new(&architecture, &plan);
                assert_eq!(
                    attack.checker.broken(&witness),
                    None,
                    "{kind}, [{lo}, {hi}]"
                );
                assert!(attack.lie(&witness).is_none(), "{kind}, [{lo}, {hi}]");
            }
        }
    }
}
