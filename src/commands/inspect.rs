//! `zkml inspect`: a model layer by layer, and what a proof of it costs.

mod sketch;

use crate::{
    aggregation::gate_columns,
    args::{Goal, ModelArgs, PublicArgs},
    ui::Ui,
    values::{grouped, names_json, shape, tensor},
};
use anyhow::Result;
use clap::Args;
use serde_json::{json, Value};
use zkml_aggregation::contract_cost;
use zkml_graph::{Graph, Node};
use zkml_model::{
    gas::{direct, ContractCost},
    layout::{Plan, Visibilities},
    planner::Cost,
    prove::Architecture,
};

/// Operands of a layer that are listed.
const OPERANDS: usize = 4;
/// Widest column of the layers' table, in characters.
const WIDEST: usize = 48;

/// Show a model layer by layer, the layout of its circuit, and what a proof is predicted to cost.
#[derive(Args)]
#[command(after_help = "\
Examples:
  zkml inspect model.onnx
  zkml inspect model.onnx --optimize onchain
  zkml inspect model.onnx --optimize direct
  zkml inspect model.msgpack --json
  zkml inspect config.msgpack --plan-only")]
pub struct InspectArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    public: PublicArgs,
    /// What to optimise the layout for
    #[arg(long, value_enum, default_value_t)]
    optimize: Goal,
    /// Only predict, from the shapes of the layers: for zkml's files without weights, and models too large
    /// to lay out
    #[arg(
        long,
        conflicts_with_all = ["optimize", "scale", "input_ranges", "settings", "batch", "undefined", "names"]
    )]
    plan_only: bool,
}

/// Runs the command.
pub fn run(args: &InspectArgs, ui: &Ui) -> Result<Value> {
    if args.plan_only {
        return sketch::run(&args.model.model, ui);
    }
    let model = args.model.load()?;
    args.model.warn(ui)?;
    args.model.check_scale(&model, true, ui)?;
    let asked = args.public.note(&model, &args.model.model, ui)?;
    let (initialisers, vanished) = (model.initialisers, model.vanished);
    let weights: usize = model.weights.values().map(Vec::len).sum();
    let (architecture, plan) = Architecture::new(
        model.graph,
        model.source,
        Visibilities::default(),
        args.optimize.into(),
    )
    .map_err(|error| args.model.name_in(error.into()))?;
    let graph = &architecture.graph;
    let layers = layers(graph, &plan);
    say_layers(ui, &layers)?;
    let cost = Cost::of(&plan.shape);
    let rows = plan.shape.usable_rows();
    let usage = &plan.usage;
    let form = &plan.statement.form;
    let own = direct(&plan.shape, form);
    let other = contract_cost(&plan.shape, form, gate_columns(None, 1));
    ui.say("")?;
    for (name, value) in [
        ("scale", graph.scale.to_string()),
        ("weights", grouped(weights as u64)),
        (
            "rows",
            format!("2^{} ({} usable)", plan.shape.k, grouped(rows as u64)),
        ),
        ("data columns", plan.shape.data.to_string()),
        ("data cells", grouped(usage.data_cells as u64)),
        ("data rows", of(usage.slot_rows, plan.shape.slot_rows())),
        ("scalar cells", of(usage.scalar_cells, rows)),
        ("hash rows", of(usage.hash_rows, rows)),
        ("table rows", of(usage.table_rows, rows)),
        ("public values", plan.statement.form.instances.to_string()),
        (
            "proof",
            format!("about {} bytes", grouped(cost.proof_bytes as u64)),
        ),
        (
            "proving",
            format!("about {:.1} CPU seconds", cost.prove_cpu_s),
        ),
        (
            "commitments",
            format!("{} (an aggregation pays for each)", cost.commitments),
        ),
        ("direct", contract(Some(&own))),
        ("aggregated", contract(other.as_ref())),
    ] {
        ui.say(format_args!("{name:<14} {value}"))?;
    }
    Ok(json!({
        "scale": graph.scale,
        "names": names_json(graph, &architecture.source),
        "weights": weights,
        "initialisers": initialisers,
        "vanished": vanished,
        "needs_public": asked,
        "layers": layers.iter().map(Layer::json).collect::<Value>(),
        "shape": plan.shape,
        "usage": plan.usage,
        "instances": plan.statement.form.instances,
        "cost": cost,
        "contract": { "direct": own, "aggregated": other },
    }))
}

/// What a verification on chain is predicted to cost.
fn contract(cost: Option<&ContractCost>) -> String {
    let Some(cost) = cost else {
        return "too large to aggregate".to_owned();
    };
    let limit = if cost.fits() {
        ""
    } else {
        ", more than Ethereum deploys"
    };
    format!(
        "about {} gas (Osaka; Prague {}), code of {} bytes{limit}",
        grouped(cost.gas_osaka),
        grouped(cost.gas_prague),
        grouped(cost.runtime_bytes as u64)
    )
}

fn of(used: usize, available: usize) -> String {
    format!("{} of {}", grouped(used as u64), grouped(available as u64))
}

struct Layer {
    name: String,
    op: &'static str,
    from: Vec<Vec<usize>>,
    to: Vec<usize>,
    cells: usize,
    scalars: usize,
    strategy: String,
}

impl Layer {
    fn new(graph: &Graph, node: &Node, plan: &Plan, index: usize) -> Self {
        let report = plan.reports.iter().find(|report| report.node == index);
        Self {
            name: node.name.clone(),
            op: node.op.kind(),
            from: node
                .op
                .data_operands()
                .iter()
                .map(|id| tensor(graph, *id).1)
                .collect(),
            to: tensor(graph, node.output).1,
            cells: report.map_or(0, |report| report.cells),
            scalars: report.map_or(0, |report| report.scalars),
            strategy: report.map_or_else(|| "none".to_owned(), |report| report.strategy.clone()),
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "op": self.op,
            "inputs": self.from,
            "output": self.to,
            "cells": self.cells,
            "scalars": self.scalars,
            "strategy": self.strategy,
        })
    }
}

fn layers(graph: &Graph, plan: &Plan) -> Vec<Layer> {
    let nodes = graph.nodes.iter().enumerate();
    nodes
        .map(|(index, node)| Layer::new(graph, node, plan, index))
        .collect()
}

fn say_layers(ui: &Ui, layers: &[Layer]) -> Result<()> {
    let mut rows =
        vec![["layer", "op", "from", "to", "cells", "scalars", "strategy"].map(String::from)];
    for layer in layers {
        let operands = layer.from.iter().map(|dimensions| shape(dimensions));
        let mut from: Vec<String> = operands.take(OPERANDS).collect();
        if layer.from.len() > OPERANDS {
            from.push(format!("… ({} in all)", layer.from.len()));
        }
        rows.push([
            layer.name.clone(),
            layer.op.to_owned(),
            from.join(" "),
            shape(&layer.to),
            grouped(layer.cells as u64),
            grouped(layer.scalars as u64),
            layer.strategy.clone(),
        ]);
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            // Columns line up but for what is longer.
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                // Numbers to the right.
                if column == 4 || column == 5 {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        ui.say(line.trim_end())?;
    }
    Ok(())
}
