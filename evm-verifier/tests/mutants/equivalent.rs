//! Proofs that a mutant is the same verifier.
//!
//! Most are read off the text. [`Proof::Identity`] also rests on runs: what a text hands to hashes and calls is a rational
//! function of calldata and challenges. One that differs from another, of a degree far below r, has the same
//! value at a random input with a probability below 2^-200 (Schwartz and Zippel); the mutant has the same at two,
//! and at six that are not random.

use crate::mutation::{walk, Change, Mutation};
use revm::primitives::U256;
use std::collections::{BTreeMap, BTreeSet};
use zkml_evm_verifier::yul::{access::of_statement, flow::accesses, Expr, Op, Statement};

/// Why a mutant is the same verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Two neighbours changed places, neither of which touches what the other needs.
    Order,
    /// Two neighbours changed places that lower the same truth.
    Conjunction,
    /// It stands in a function that nothing calls, or is a variable that nothing reads.
    Unused,
    /// Each byte that is read was written by the same statement as before.
    Flow,
    /// It asks for more bytes than the precompiled contract returns, or gives more than it reads.
    Length,
    /// The truth that is left out is 1: it was checked since it was set.
    Checked,
    /// A loop's end is another, and the loop takes as many turns.
    Turns,
    /// The word has a smaller bound beside the one that is changed.
    Implied,
    /// A highest limb may have fewer bits: with more, its coordinate is not below p.
    Loose,
    /// A coordinate may be p, which stands for 0: no point has that.
    NoZero,
    /// It computes the same function of calldata and challenges in another way.
    Identity,
}

/// Whether the proof needs no run: only an order is another, which nothing sees.
pub fn at_once(proof: Proof) -> bool {
    matches!(proof, Proof::Order | Proof::Conjunction)
}

/// The proof, if there is one, for a mutant that no input tells from the text.
pub fn proof(text: &[Statement], mutant: &[Statement], mutation: &Mutation) -> Option<Proof> {
    let (mut number, mut found) = (0, None);
    walk(text, &mut |block, at| {
        if number == mutation.statement {
            found = local(&block[at], block.get(at + 1), &mutation.change);
        }
        number += 1;
    });
    let unused = || unused(text, mutation.statement).then_some(Proof::Unused);
    let flow = || same_flow(text, mutant, mutation).then_some(Proof::Flow);
    let checked = || checked(text, mutation).then_some(Proof::Checked);
    let implied = || implied(text, mutation).then_some(Proof::Implied);
    // The weakest last.
    let strong = found.filter(|proof| *proof != Proof::Identity);
    strong
        .or_else(unused)
        .or_else(flow)
        .or_else(checked)
        .or_else(implied)
        .or(found)
}

/// What can be said of the changed statement alone, and the next.
fn local(statement: &Statement, next: Option<&Statement>, change: &Change) -> Option<Proof> {
    let arithmetic = is_arithmetic(statement);
    match change {
        Change::Swap => {
            let next = next?;
            let (a, b) = (touched(statement), touched(next));
            if apart(&a, &b, None) {
                return Some(Proof::Order);
            }
            let both = lowers(statement).filter(|truth| lowers(next) == Some(*truth));
            if both.is_some_and(|truth| apart(&a, &b, Some(truth))) {
                return Some(Proof::Conjunction);
            }
            (arithmetic && is_arithmetic(next)).then_some(Proof::Identity)
        }
        Change::Drop | Change::Exchange(Op::MStore8) => arithmetic.then_some(Proof::Identity),
        Change::Exchange(_) => None,
        Change::Replace(node, with) => {
            let mut nodes = Vec::new();
            for expr in statement.expressions() {
                expr.walk(&mut |part| nodes.push(part));
            }
            let old = nodes.get(*node)?;
            if allows_p(old, with) {
                return Some(Proof::NoZero);
            }
            if longer(&nodes, *node, with) {
                return Some(Proof::Length);
            }
            if loose(statement, old, with) {
                return Some(Proof::Loose);
            }
            if same_turns(statement, &nodes, *node, with) {
                return Some(Proof::Turns);
            }
            (arithmetic && is_ring(with)).then_some(Proof::Identity)
        }
    }
}

/// Whether an expression adds, multiplies, reduces and loads, and does nothing else.
fn is_ring(expr: &Expr) -> bool {
    !expr.any(|part| match part {
        Expr::Call(op, _) => !matches!(
            op,
            Op::Add | Op::AddMod | Op::MLoad | Op::Mod | Op::MulMod | Op::Sub
        ),
        Expr::Number(_) | Expr::Name(_) => false,
    })
}

fn is_arithmetic(statement: &Statement) -> bool {
    let kind = match statement {
        Statement::Let(..) | Statement::Set(..) | Statement::Do(Op::MStore, _) => true,
        Statement::Comment(_)
        | Statement::Do(..)
        | Statement::If(..)
        | Statement::For(..)
        | Statement::Block(_)
        | Statement::Function(..) => false,
    };
    kind && statement.expressions().into_iter().all(is_ring)
}

/// `lt(x, p)` where p itself is let through.
fn allows_p(old: &Expr, with: &Expr) -> bool {
    let modulus = crate::mutation::FIELDS[1];
    let is_modulus = |expr: &Expr| match expr {
        Expr::Number(value) => *value == modulus,
        // The name of the constant in `points`.
        Expr::Name(name) => name == "p",
        Expr::Call(..) => false,
    };
    match (old, with) {
        (Expr::Call(Op::Lt, sides), Expr::Call(Op::IsZero, _)) => {
            let greater = Expr::Call(Op::Lt, sides.iter().rev().cloned().collect());
            let allowed = Expr::Call(Op::IsZero, vec![greater]);
            sides.last().is_some_and(is_modulus) && *with == allowed
        }
        (Expr::Number(old), Expr::Number(new)) => {
            *old == modulus && *new == modulus + U256::from(1)
        }
        _ => false,
    }
}

/// Whether a larger number stands for the length of a precompiled contract's output, or of the exponentiation's input.
fn longer(nodes: &[&Expr], node: usize, with: &Expr) -> bool {
    let (Some(Expr::Number(old)), Expr::Number(new)) = (nodes.get(node), with) else {
        return false;
    };
    let calls = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, part)| match part {
            Expr::Call(Op::StaticCall, arguments) => Some((at, arguments)),
            _ => None,
        });
    // Gas, address, input and output follow, each one node.
    calls.into_iter().any(|(at, arguments)| {
        let exponentiation = arguments.get(1).and_then(Expr::as_usize) == Some(5);
        new > old && (node == at + 6 || (exponentiation && node == at + 4))
    })
}

/// Whether a loop to this end takes as many turns: one among statements, or that of a function.
fn same_turns(statement: &Statement, nodes: &[&Expr], node: usize, with: &Expr) -> bool {
    let (Some(old), Some(new)) = (
        nodes.get(node).and_then(|old| old.as_usize()),
        with.as_usize(),
    ) else {
        return false;
    };
    let same = |from: usize, step: usize| {
        let turns = |to: usize| to.saturating_sub(from).div_ceil(step);
        turns(old) == turns(new)
    };
    match statement {
        Statement::For(start, Expr::Call(Op::Lt, _), step, _) => match (&start[..], &step[..]) {
            ([Statement::Let(_, Some(from))], [Statement::Set(_, Expr::Call(Op::Add, step))]) => {
                let step = step.last().and_then(Expr::as_usize);
                let from = from.as_usize();
                from.zip(step).is_some_and(|(from, step)| same(from, step))
            }
            _ => false,
        },
        // The function, then where its loop starts, then where it ends.
        _ => match node.checked_sub(2).and_then(|call| nodes.get(call)) {
            Some(Expr::Call(op @ (Op::Points | Op::Scalars), range)) => {
                let step = if *op == Op::Points { 0x40 } else { 0x80 };
                let from = range.first().and_then(Expr::as_usize);
                from.is_some_and(|from| same(from, step))
            }
            _ => false,
        },
    }
}

/// The truth that a statement lowers: v in `v := and(…, v)`, and in a block whose only such statements these are.
fn lowers(statement: &Statement) -> Option<&str> {
    let (name, both) = match statement {
        Statement::Set(name, Expr::Call(Op::And, both)) => (name, both),
        Statement::Block(block) => {
            let mut set = block.iter().filter(|one| matches!(one, Statement::Set(..)));
            let truth = set.next().and_then(lowers)?;
            return set.all(|one| lowers(one) == Some(truth)).then_some(truth);
        }
        _ => return None,
    };
    let own = |side: &Expr| matches!(side, Expr::Name(found) if found == name);
    both.iter().any(own).then_some(name)
}

/// The word that is bounded by `success := and(lt(mload(ADDRESS), BOUND), success)`, and the bound.
fn bounded(statement: &Statement) -> Option<(usize, &Expr)> {
    let Statement::Set(_, Expr::Call(Op::And, both)) = statement else {
        return None;
    };
    let (Some(Expr::Call(Op::Lt, sides)), Some("success")) = (both.first(), lowers(statement))
    else {
        return None;
    };
    match &sides[..] {
        [word, bound] => Some((word.loaded()?, bound)),
        _ => None,
    }
}

/// The power of two that a limb is bounded by.
fn bits(bound: &Expr) -> Option<usize> {
    match bound {
        Expr::Call(Op::Shl, arguments) => match &arguments[..] {
            [bits, Expr::Number(one)] if *one == U256::from(1) => bits.as_usize(),
            _ => None,
        },
        Expr::Number(_) | Expr::Name(_) | Expr::Call(..) => None,
    }
}

/// Bits of a coordinate's limbs below the highest; and the bits that p is below.
const LOWER: usize = 172;
const COORDINATE: usize = 254;

/// Whether a highest limb gets fewer bits, of which a coordinate below p needs no more.
fn loose(statement: &Statement, old: &Expr, with: &Expr) -> bool {
    let found = bounded(statement).and_then(|(_, bound)| bits(bound));
    let highest = found.filter(|bits| LOWER + bits > COORDINATE);
    let (old, new) = (old.as_usize(), with.as_usize());
    highest.is_some()
        && old == highest
        && new.is_some_and(|new| new < highest.unwrap_or(0) && LOWER + new >= COORDINATE)
}

/// Whether a word's bound by the order is left out or weakened, which is below 2^86 anyway.
fn implied(text: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut weakened, mut limbs) = (0, None, BTreeSet::new());
    walk(text, &mut |block, at| {
        if let Some((word, bound)) = bounded(&block[at]) {
            let dropped = match &mutation.change {
                Change::Drop => true,
                Change::Replace(1, Expr::Number(one)) => *one == U256::from(1),
                Change::Replace(1, Expr::Call(Op::IsZero, inner)) => {
                    let greater = Expr::Call(Op::Lt, vec![bound.clone(), Expr::load(word)]);
                    inner[..] == [greater]
                }
                Change::Replace(0, with) => *with == Expr::name("success"),
                Change::Replace(4, with) => *with == Expr::name("f_p"),
                _ => false,
            };
            if number == mutation.statement && *bound == Expr::order() && dropped {
                weakened = Some(word);
            } else if bits(bound).is_some_and(|bits| bits <= 86) {
                limbs.insert(word);
            }
        }
        number += 1;
    });
    weakened.is_some_and(|word| limbs.contains(&word))
}

/// What a statement touches.
#[derive(Default)]
struct Touched {
    /// Bytes of memory that are read, and that are written.
    read: BTreeSet<usize>,
    written: BTreeSet<usize>,
    /// Whether it reads or writes memory at an address that is not known.
    reads_anywhere: bool,
    writes_anywhere: bool,
    /// Variables that are used, and that are set or declared.
    used: BTreeSet<String>,
    set: BTreeSet<String>,
    hashes: bool,
    calls: bool,
    /// Whether it asks what the last call returned.
    asks: bool,
    /// Whether it may end the run.
    ends: bool,
}

fn touched(statement: &Statement) -> Touched {
    let mut out = Touched::default();
    touch(statement, &mut out);
    out
}

fn touch(statement: &Statement, out: &mut Touched) {
    if let Statement::Block(block) = statement {
        let (used, set) = (std::mem::take(&mut out.used), std::mem::take(&mut out.set));
        block.iter().for_each(|inner| touch(inner, out));
        // Its variables end with it.
        for inner in block {
            if let Statement::Let(name, _) = inner {
                out.used.remove(name);
                out.set.remove(name);
            }
        }
        out.used.extend(used);
        out.set.extend(set);
        return;
    }
    match of_statement(statement) {
        Ok(accesses) => {
            for access in accesses {
                let bytes = access.at..access.at + access.length;
                if access.write {
                    out.written.extend(bytes);
                } else {
                    out.read.extend(bytes);
                }
            }
        }
        Err(_) => {
            out.reads_anywhere = true;
            out.writes_anywhere |= matches!(statement, Statement::Do(..));
        }
    }
    for expr in statement.expressions() {
        expr.walk(&mut |part| match part {
            Expr::Name(name) => {
                out.used.insert(name.clone());
            }
            Expr::Call(Op::Keccak256, _) => out.hashes = true,
            Expr::Call(Op::StaticCall, _) => out.calls = true,
            Expr::Call(Op::ReturnDataSize, _) => out.asks = true,
            Expr::Call(..) | Expr::Number(_) => {}
        });
    }
    match statement {
        Statement::Let(name, _) | Statement::Set(name, _) => {
            out.set.insert(name.clone());
        }
        Statement::Do(Op::Return | Op::Revert, _) => out.ends = true,
        // A branch that stores what it reverts with, and does: nothing of it is seen if it is not taken.
        Statement::If(_, block) if block.iter().all(|one| matches!(one, Statement::Do(..))) => {
            out.ends = true;
            return;
        }
        Statement::If(..) | Statement::For(..) | Statement::Function(..) => out.ends = true,
        Statement::Comment(_) | Statement::Block(_) | Statement::Do(..) => {}
    }
    for block in statement.blocks() {
        block.iter().for_each(|inner| touch(inner, out));
    }
}

/// Whether two statements may stand in either order; but for a truth that both lower.
fn apart(a: &Touched, b: &Touched, truth: Option<&str>) -> bool {
    let shared = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.intersection(b).any(|name| truth != Some(name.as_str()))
    };
    let writes = |t: &Touched| t.writes_anywhere || !t.written.is_empty();
    let one_way = |a: &Touched, b: &Touched| {
        a.written.is_disjoint(&b.written)
            && a.written.is_disjoint(&b.read)
            && !(writes(a) && (b.reads_anywhere || b.writes_anywhere))
            && !shared(&a.set, &b.set)
            && !shared(&a.set, &b.used)
            && !(a.calls && (b.calls || b.asks || b.ends))
            && !(a.hashes && (b.hashes || b.ends))
            && !(a.ends && b.ends)
    };
    one_way(a, b) && one_way(b, a)
}

/// Whether a statement is in a function that is not called, or declares a variable that is not read.
fn unused(text: &[Statement], number: usize) -> bool {
    let mut called = BTreeSet::new();
    let mut named = BTreeSet::new();
    walk(text, &mut |block, at| {
        for expr in block[at].expressions() {
            expr.walk(&mut |part| match part {
                Expr::Call(op, _) => {
                    called.insert(op.signature().0);
                }
                Expr::Name(name) => {
                    named.insert(name.clone());
                }
                Expr::Number(_) => {}
            });
        }
    });
    let (mut at, mut found) = (0, false);
    for statement in text {
        let first = at;
        let mut declares = false;
        walk(std::slice::from_ref(statement), &mut |block, i| {
            if at == number {
                declares = matches!(&block[i], Statement::Let(name, _) if !named.contains(name));
            }
            at += 1;
        });
        let idle = match statement {
            Statement::Function(op, ..) => !called.contains(op.signature().0),
            _ => false,
        };
        found |= (first..at).contains(&number) && (idle || declares);
    }
    found
}

/// For each statement of the body, which statement wrote each byte that it reads, and which byte of what that wrote.
fn flow(
    text: &[Statement],
    renumbered: impl Fn(usize) -> usize,
) -> Option<BTreeMap<usize, Vec<(usize, usize)>>> {
    let function = |statement: &&Statement| matches!(statement, Statement::Function(..));
    let head = text
        .iter()
        .rposition(|s| function(&s))
        .map_or(0, |at| at + 1);
    let mut wrote = BTreeMap::new();
    let mut reads: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (i, accesses) in accesses(text.get(head..)?).ok()?.into_iter().enumerate() {
        let number = renumbered(i);
        for access in accesses {
            for (offset, byte) in (access.at..access.at + access.length).enumerate() {
                if access.write {
                    wrote.insert(byte, (number, offset));
                } else {
                    let writer = *wrote.get(&byte)?;
                    reads.entry(number).or_default().push(writer);
                }
            }
        }
    }
    Some(reads)
}

/// Whether a changed length or address, or a missing store, is seen by no read.
fn same_flow(text: &[Statement], mutant: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut body, mut place, mut store) = (0, 0, None, false);
    walk(text, &mut |block, at| {
        if matches!(block[at], Statement::Function(..)) {
            body = number + 1;
            walk(std::slice::from_ref(&block[at]), &mut |_, _| body += 1);
            body -= 1;
        }
        if number == mutation.statement {
            place = number.checked_sub(body);
            store = matches!(block[at], Statement::Do(..));
        }
        number += 1;
    });
    let Some(place) = place.filter(|_| store) else {
        return false;
    };
    let dropped = mutation.change == Change::Drop;
    if !dropped && !matches!(mutation.change, Change::Replace(_, Expr::Number(_))) {
        return false;
    }
    let after = flow(mutant, |i| if dropped && i >= place { i + 1 } else { i });
    let (Some(before), Some(after)) = (flow(text, |i| i), after) else {
        return false;
    };
    // What the statement itself reads is its own affair only if nothing reads what it writes.
    let others = |flow: &BTreeMap<usize, Vec<(usize, usize)>>| {
        let kept = flow.iter().filter(|(number, _)| **number != place);
        kept.map(|(number, reads)| (*number, reads.clone()))
            .collect::<Vec<_>>()
    };
    let read = |(_, reads): &(usize, Vec<(usize, usize)>)| reads.iter().any(|(by, _)| *by == place);
    let copies = matches!(mutation.change, Change::Replace(node, _) if node == 2);
    let (before, after) = (others(&before), others(&after));
    before == after && (copies || !before.iter().any(read))
}

/// Whether the change leaves out `success` where it was checked since it was set.
fn checked(text: &[Statement], mutation: &Mutation) -> bool {
    let (mut number, mut known, mut found) = (0, false, false);
    walk(text, &mut |block, at| {
        let statement = &block[at];
        if number == mutation.statement && known && lowers(statement) == Some("success") {
            let one = Expr::number(1);
            found = match (&mutation.change, statement) {
                (Change::Replace(0, with), Statement::Set(_, Expr::Call(_, both))) => {
                    both.first() == Some(with)
                }
                (Change::Replace(_, with), _) => *with == one,
                _ => false,
            };
        }
        match statement {
            Statement::Set(name, _) if name == "success" => known = false,
            Statement::Let(name, Some(value)) if name == "success" => {
                known = *value == Expr::number(1)
            }
            Statement::If(Expr::Call(Op::IsZero, truth), _)
                if truth[..] == [Expr::name("success")] =>
            {
                known = true;
            }
            _ => {}
        }
        number += 1;
    });
    found
}
