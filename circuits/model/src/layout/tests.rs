//! What no graph comes to: each is refused all the same, so that no gate rests on an argument about the code before it.

use super::{
    block::{place, Block, Gate, Geometry, Range, Variable},
    builder::Builder,
    builder::Limits,
    statement::{Lane, Statement},
    Clamps, Shape, Visibilities,
};
use zkml_graph::Graph;

static NOTHING: Graph = Graph {
    scale: 1,
    tensors: Vec::new(),
    nodes: Vec::new(),
    inputs: Vec::new(),
    outputs: Vec::new(),
    tables: Vec::new(),
};

fn shape(stacked: bool) -> Shape {
    Shape {
        k: 12,
        data: 1,
        hash_width: 3,
        limb_bits: 5,
        clamps: Clamps::CLAMPS,
        stacked,
    }
}

/// What a layout of nothing but this comes to.
fn refused(
    stacked: bool,
    work: impl FnOnce(&mut Builder<'_>) -> Result<(), super::LayoutError>,
) -> String {
    let limits = Limits {
        loose: 1 << 5,
        exact: 1 << 5,
    };
    let visibilities = Visibilities::default();
    let mut builder = Builder::draft(&NOTHING, &visibilities, shape(stacked), limits).unwrap();
    let result = work(&mut builder).and_then(|()| builder.finish().map(drop));
    result.unwrap_err().to_string()
}

fn geometry() -> Geometry {
    Geometry::new(1, 1, 1, Variable::Position).unwrap()
}

fn block(gate: Gate) -> Block {
    Block {
        geometry: geometry(),
        range: Range::Exact(4),
        gate,
        slot: 0,
        start: 0,
    }
}

/// A word of more bits would have two decodings.
#[test]
fn words_have_253_bits_at_most() {
    let lane = |bits| Lane {
        limbs: Vec::new(),
        segment: 0,
        bits,
        cells: 1,
        pad: 0,
    };
    for (bits, fits) in [(253, true), (254, false), (u32::MAX, false)] {
        let text = refused(false, |builder| {
            builder.pack(vec![lane(bits)], 1, Variable::Channel, Statement::MODEL)?;
            // So that what fits fails too.
            builder.blocks.push(block(Gate::Product));
            Ok(())
        });
        assert_eq!(
            !text.contains(&format!("words of {bits} bits")),
            fits,
            "{text}"
        );
    }
}

/// Moved by a second group, a block would leave the rows that the first one's gate reads.
#[test]
fn a_block_is_in_one_group() {
    let mut blocks = vec![block(Gate::None), block(Gate::None), block(Gate::None)];
    place(&mut blocks, &[vec![0, 1], vec![2]], &shape(false)).unwrap();
    let refused = place(&mut blocks, &[vec![0, 1], vec![2, 1]], &shape(false));
    assert!(refused.unwrap_err().to_string().contains("in two groups"));
}

/// A clamp to one value has no cap, and without a cap there is no gate.
#[test]
fn a_gate_has_a_cap() {
    let text = refused(false, |builder| {
        builder.two_sided(1, 9, geometry()).map(drop)
    });
    assert!(text.contains("a clamp to one value"), "{text}");
}

/// Where narrow and wide excesses share their column of caps, a narrow gate would read a row that is not its own.
#[test]
fn a_block_has_no_gate_that_the_shape_has_not() {
    let narrow = Gate::TwoSided {
        cap: 3,
        wide: false,
    };
    assert!(shape(true).shares_caps());
    let text = refused(true, |builder| {
        builder.blocks.push(block(narrow));
        Ok(())
    });
    assert!(text.contains("that the shape has not"), "{text}");
    let text = refused(false, |builder| {
        builder.blocks.push(block(Gate::Product));
        Ok(())
    });
    assert!(text.contains("leaves out"), "{text}");
}
