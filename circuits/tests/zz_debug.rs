use std::path::Path;
use zkml_circuits::{circuit::*, graph::*, import, inputs, layout::{Goal, Visibilities}, prove::*};
use halo2_proofs::{dev::MockProver, halo2curves::bn256::Fr};
#[test]
fn debug() {
    let m = Path::new("/work/shared/data/zkml/mnist/model.msgpack");
    let model = import::load(m, &Default::default()).unwrap();
    let input = inputs::load(Path::new("/work/shared/data/zkml/mnist/inp.msgpack"), &model.graph, &model.source).unwrap();
    let (a, plan) = Architecture::new(model.graph, model.source, Visibilities::default(), Goal::Prove).unwrap();
    let values = |id: TensorId| if id == a.graph.inputs[0] { Some(input[0].as_slice()) } else { model.weights.get(&id).map(Vec::as_slice) };
    let w = Witness::new(&plan, &|i| i.to_string(), &values, vec![Fr::from(5)], Fr::from(0)).unwrap();
    let trace = exec::run(&a.graph, &model.weights, &input).unwrap();
    let out = trace[a.graph.outputs[0].0].clone().unwrap();
    println!("{out:?}");
    let s = Statement { commitment: Word(w.instances[0]), context: Word(Fr::from(0)), inputs: vec![Exposure::Public(input[0].clone())], outputs: vec![Exposure::Public(out)] };
    let i2 = s.instances(&a, &plan).unwrap();
    for (i, (x, y)) in w.instances.iter().zip(&i2).enumerate() { if x != y { println!("instance {i} {x:?} {y:?}"); } }
    let inst = w.instances.clone();
    let c = ModelCircuit::with_witness(plan.clone(), w.into(), zkml_circuits::circuit::Purpose::Constraints);
    let p = MockProver::run(plan.shape.k, &c, vec![inst]).unwrap();
    match p.verify() { Ok(()) => println!("mock ok"), Err(e) => { println!("{} failures", e.len()); for f in e.iter().take(5) { println!("{f}"); } } }
}
