//! Times setup, proof and verification of a model: `measure MODEL INPUT [K DATA HASH]`.
use std::{path::Path, sync::Arc, time::Instant};
use zkml_circuits::{import, inputs, layout::*, prove::*, srs};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let model = import::load(Path::new(&args[1]), &Default::default()).unwrap();
    let input = inputs::load(Path::new(&args[2]), &model.graph, &model.source).unwrap();
    let n = |i: usize| args[i].parse::<usize>().unwrap();
    let (mut architecture, mut plan) = Architecture::new(model.graph, model.source, Visibilities::default(), Goal::Prove).unwrap();
    if args.len() > 5 {
        architecture.shape = Shape { k: n(3) as u32, data: n(4), hash_width: n(5), limb_bits: n(3) as u32 - 2 };
        plan = architecture.plan().unwrap();
    }
    println!("shape {:?} usage {:?} tables {:?} instances {} cost {:?}", plan.shape, plan.usage, plan.tables.sizes(), plan.statement.instances, Cost::of(&plan.shape));
    for r in &plan.reports { println!("{} {} cells {} scalars {}", architecture.graph.nodes[r.node].name, r.strategy, r.cells, r.scalars); }
    let t = Instant::now();
    let srs = srs::Srs::development_from_seed(plan.shape.k, [7; 32], &|_, _| ()).unwrap();
    println!("srs {:?}", t.elapsed());
    let t = Instant::now();
    let keys = Keys::new(&plan, &srs).unwrap();
    println!("keys {:?}", t.elapsed());
    let opening = Opening::new(model.weights);
    for _ in 0..5 {
        let t = Instant::now();
        let request = Request { inputs: input.clone(), context: Default::default() };
        let (proof, _) = prove(&architecture, &plan, &srs, &keys, &opening, &request).unwrap();
        let d = t.elapsed();
        let t = Instant::now();
        proof.verify(&architecture, &plan, &srs, keys.pk.get_vk()).unwrap();
        println!("prove {d:?} verify {:?} proof {} bytes {:?}", t.elapsed(), proof.argument.len(), proof.statement.outputs);
    }
    let _ = Arc::new(());
}
