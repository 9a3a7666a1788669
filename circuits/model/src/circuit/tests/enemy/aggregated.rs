//! Several inferences in one aggregation: its public values are those of the slots, one after the other, each
//! behind the digest of its key. The enemy looks for another list of statements that has the same ones.

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    game::{Game, Outcome},
    statement::Attack,
};
use crate::{
    circuit::Witness,
    prove::{Exposure, Statement},
};

/// A key and what is stated under it.
type Slot<'a> = (&'a Attack<'a>, Statement);

/// The public values after the accumulator, as a verifier computes them from keys and statements; `None` where a
/// statement is none of its key's. What stands for the digest of a key is that of the configuration, which the
/// key commits to.
fn public(slots: &[Slot<'_>]) -> Option<Vec<Fr>> {
    let mut values = Vec::new();
    for (attack, statement) in slots {
        values.push(attack.plan.configuration);
        values.extend(statement.instances(&attack.plan.statement.form).ok()?);
    }
    Some(values)
}

/// A witness that constraints accept, with its statement.
fn accepted(attack: &Attack<'_>, forged: Vec<Witness>) -> Option<Statement> {
    let mut forged = forged.into_iter();
    let witness = forged.find(|witness| attack.checker.broken(witness).is_none())?;
    attack.statement(&witness, &attack.all_values(&witness)?)
}

/// All lists that the enemy tries instead of this one.
fn others<'a>(slots: &[Slot<'a>]) -> Vec<Vec<Slot<'a>>> {
    let mut all = Vec::new();
    for i in 0..slots.len() {
        // One less, one twice, another order of slots, another order of statements.
        all.push([&slots[..i], &slots[i + 1..]].concat());
        all.push([&slots[..=i], &slots[i..]].concat());
        for j in 0..i {
            let mut other = slots.to_vec();
            other.swap(i, j);
            all.push(other.clone());
            (other[i].0, other[j].0) = (other[j].0, other[i].0);
            all.push(other);
        }
        // Values that are others, and values that cross over to the next slot or tensor.
        let next = slots.get(i + 1).and_then(|next| first(&next.1));
        for (at, values) in public_tensors(&slots[i].1) {
            for e in 0..values {
                for by in [1, -1] {
                    let mut other = slots.to_vec();
                    tensor(&mut other[i].1, at)[e] += by;
                    all.push(other.clone());
                    if let Some(first) = next {
                        tensor(&mut other[i + 1].1, first)[0] -= by;
                        all.push(other);
                    }
                }
            }
            if let Some(first) = next {
                let mut other = slots.to_vec();
                let moved = tensor(&mut other[i].1, at).pop();
                tensor(&mut other[i + 1].1, first).splice(0..0, moved);
                all.push(other);
            }
        }
    }
    all
}

/// Public tensors of a statement, by their place among all, and how many values each has.
fn public_tensors(statement: &Statement) -> impl Iterator<Item = (usize, usize)> + '_ {
    let all = statement.inputs.iter().chain(&statement.outputs);
    all.enumerate().filter_map(|(at, exposure)| match exposure {
        Exposure::Public(values) => Some((at, values.len())),
        Exposure::Hashed(_) | Exposure::Private => None,
    })
}

fn first(statement: &Statement) -> Option<usize> {
    Some(public_tensors(statement).next()?.0)
}

fn tensor(statement: &mut Statement, at: usize) -> &mut Vec<i64> {
    let mut all = statement.inputs.iter_mut().chain(&mut statement.outputs);
    match all.nth(at) {
        Some(Exposure::Public(values)) => values,
        other => panic!("{other:?} is not public"),
    }
}

/// Aggregates the statements of three slots, two of them of one key, and looks for another reading.
pub fn aggregated(seed: u64) -> Outcome {
    let games = [Game::new(seed), Game::of_batch(seed + 1, 2)];
    let mut games: Vec<Game> = games.into_iter().flatten().collect();
    let forged: Vec<Vec<Witness>> = games
        .iter_mut()
        .map(|game| game.forged().into_iter().map(|(_, w)| w).collect())
        .collect();
    let again = games.first_mut().map(|game| game.forged());
    let again = again.into_iter().flatten().map(|(_, w)| w).collect();
    let attacks: Vec<Attack<'_>> = games.iter().map(Game::target).collect();
    let own = attacks.iter().zip(forged);
    let own = own.filter_map(|(attack, forged)| Some((attack, accepted(attack, forged)?)));
    let more = attacks
        .first()
        .and_then(|attack| Some((attack, accepted(attack, again)?)));
    let slots: Vec<Slot<'_>> = own.chain(more).collect();
    let mut outcome = Outcome::default();
    let Some(values) = public(&slots).filter(|_| slots.len() > 1) else {
        return outcome;
    };
    outcome.aggregated += 1;
    let says = |slots: &[Slot<'_>]| -> Vec<(Fr, Statement)> {
        let one = |(attack, statement): &Slot<'_>| (attack.plan.configuration, statement.clone());
        slots.iter().map(one).collect()
    };
    for other in others(&slots) {
        if public(&other).as_ref() == Some(&values) && says(&other) != says(&slots) {
            println!("seed {seed}: {:?} and {:?}", says(&other), says(&slots));
            outcome.false_statements += 1;
        }
    }
    outcome
}
