//! `zkml inspect --plan-only`: what a proof would take, from the shapes of the layers alone.

use crate::{
    ui::Ui,
    values::{grouped, shape},
};
use anyhow::Result;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use zkml_import as import;
use zkml_model::{
    planner::MAX_K,
    sketch::{Layer, Sketch},
};

/// Layers that are named, the largest first.
const SHOWN: usize = 8;

/// Runs it.
pub fn run(model: &Path, ui: &Ui) -> Result<Value> {
    let sketch = Sketch::of(&import::load_shapes(model)?)?;
    say_kinds(ui, &sketch)?;
    ui.say("")?;
    let mut layers: Vec<&Layer> = sketch.layers.iter().collect();
    layers.sort_by_key(|layer| std::cmp::Reverse(layer.cells));
    for layer in layers.iter().take(SHOWN) {
        ui.say(format_args!(
            "{:<20} to {:<14} {:>14} cells, {:>5.1} %",
            layer.name,
            shape(&layer.to),
            grouped(layer.cells),
            percent(layer.cells, sketch.usage.data_cells)
        ))?;
    }
    ui.say("")?;
    let (cost, usage) = (&sketch.cost, &sketch.usage);
    for (name, value) in [
        ("scale", sketch.scale.to_string()),
        ("weights", grouped(sketch.weights)),
        ("multiply-adds", grouped(sketch.multiply_adds)),
        ("rows", format!("2^{}", sketch.shape.k)),
        ("data columns", sketch.shape.data.to_string()),
        ("hash width", sketch.shape.hash_width.to_string()),
        ("data cells", grouped(usage.data_cells)),
        ("scalar cells", grouped(usage.scalar_cells)),
        ("hash rows", grouped(usage.hash_rows)),
        ("table rows", grouped(usage.table_rows)),
        (
            "proof",
            format!("about {} bytes", grouped(cost.proof_bytes as u64)),
        ),
        (
            "proving",
            format!("about {:.0} CPU seconds", cost.prove_cpu_s),
        ),
        (
            "memory",
            format!("about {:.1} GB", sketch.memory_bytes as f64 / 1e9),
        ),
    ] {
        ui.say(format_args!("{name:<14} {value}"))?;
    }
    ui.say(format_args!(
        "\nA plan from shapes, not a layout. Assumed: weights in [-1, 1) ({} bits at this scale), activations of\n{} bits (the file's k), arguments of functions within 2^20 values. Real weights may ask for more.",
        sketch.weight_bits, sketch.activation_bits
    ))?;
    if !sketch.fits {
        ui.say(format_args!(
            "It does not fit 2^{MAX_K} rows, the most that `zkml setup` lays out: 2^{} rows would be needed.",
            sketch.shape.k
        ))?;
    }
    Ok(serde_json::to_value(&sketch)?)
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Totals of the layers of each kind, the largest first.
fn say_kinds(ui: &Ui, sketch: &Sketch) -> Result<()> {
    let mut kinds: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
    for layer in &sketch.layers {
        let own = [1, layer.weights, layer.multiply_adds, layer.cells];
        let totals = kinds.entry(&layer.kind).or_default();
        for (total, own) in totals.iter_mut().zip(own) {
            *total += own;
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, [.., cells])| std::cmp::Reverse(*cells));
    ui.say("kind               layers        weights    multiply-adds           cells")?;
    for (kind, [layers, weights, multiply_adds, cells]) in kinds {
        ui.say(format_args!(
            "{kind:<18} {layers:>6} {:>14} {:>16} {:>15}",
            grouped(weights),
            grouped(multiply_adds),
            grouped(cells)
        ))?;
    }
    Ok(())
}
