//! The assembly of a verifier as a tree: a small part of Yul, closed.
//!
//! What snark-verifier writes is parsed once ([`parse()`]), every pass of `codegen` and `optimise` works on the tree,
//! and the tree is printed once (`Display`). An instruction that [`Op`] does not have is an error. What each
//! one reads and writes is said in one place ([`access`]), and what each one does in another ([`run`]).

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod access;
pub mod flow;
pub mod parse;
mod print;
pub mod run;

pub use access::Access;
pub use parse::parse;

use revm::primitives::U256;

/// An instruction of the EVM, or one of the three functions that generated code defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `add(a, b)`
    Add,
    /// `addmod(a, b, m)`
    AddMod,
    /// `and(a, b)`
    And,
    /// `calldatacopy(to, from, length)`
    CallDataCopy,
    /// `calldataload(at)`
    CallDataLoad,
    /// `calldatasize()`
    CallDataSize,
    /// `eq(a, b)`
    Eq,
    /// `gas()`
    Gas,
    /// `iszero(a)`
    IsZero,
    /// `keccak256(from, length)`
    Keccak256,
    /// `lt(a, b)`
    Lt,
    /// `mload(at)`
    MLoad,
    /// `mod(a, m)`
    Mod,
    /// `mstore(at, value)`
    MStore,
    /// `mstore8(at, value)`
    MStore8,
    /// `mulmod(a, b, m)`
    MulMod,
    /// `points(from, to)`: whether memory from one address to the other holds points of the curve
    Points,
    /// `return(from, length)`
    Return,
    /// `returndatasize()`
    ReturnDataSize,
    /// `revert(from, length)`
    Revert,
    /// `scalars(from, to)`: whether memory from one address to the other holds scalars
    Scalars,
    /// `shl(bits, value)`
    Shl,
    /// `staticcall(gas, address, from, length, to, length)`
    StaticCall,
    /// `sub(a, b)`
    Sub,
    /// `validate_ec_point(x, y)`
    ValidatePoint,
}

impl Op {
    /// All.
    pub const ALL: [Op; 25] = [
        Op::Add,
        Op::AddMod,
        Op::And,
        Op::CallDataCopy,
        Op::CallDataLoad,
        Op::CallDataSize,
        Op::Eq,
        Op::Gas,
        Op::IsZero,
        Op::Keccak256,
        Op::Lt,
        Op::MLoad,
        Op::Mod,
        Op::MStore,
        Op::MStore8,
        Op::MulMod,
        Op::Points,
        Op::Return,
        Op::ReturnDataSize,
        Op::Revert,
        Op::Scalars,
        Op::Shl,
        Op::StaticCall,
        Op::Sub,
        Op::ValidatePoint,
    ];

    /// Its name and how many arguments it takes.
    pub const fn signature(self) -> (&'static str, usize) {
        match self {
            Op::Add => ("add", 2),
            Op::AddMod => ("addmod", 3),
            Op::And => ("and", 2),
            Op::CallDataCopy => ("calldatacopy", 3),
            Op::CallDataLoad => ("calldataload", 1),
            Op::CallDataSize => ("calldatasize", 0),
            Op::Eq => ("eq", 2),
            Op::Gas => ("gas", 0),
            Op::IsZero => ("iszero", 1),
            Op::Keccak256 => ("keccak256", 2),
            Op::Lt => ("lt", 2),
            Op::MLoad => ("mload", 1),
            Op::Mod => ("mod", 2),
            Op::MStore => ("mstore", 2),
            Op::MStore8 => ("mstore8", 2),
            Op::MulMod => ("mulmod", 3),
            Op::Points => ("points", 2),
            Op::Return => ("return", 2),
            Op::ReturnDataSize => ("returndatasize", 0),
            Op::Revert => ("revert", 2),
            Op::Scalars => ("scalars", 2),
            Op::Shl => ("shl", 2),
            Op::StaticCall => ("staticcall", 6),
            Op::Sub => ("sub", 2),
            Op::ValidatePoint => ("validate_ec_point", 2),
        }
    }

    /// The instruction of that name.
    pub fn named(name: &str) -> Option<Op> {
        Op::ALL.into_iter().find(|op| op.signature().0 == name)
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A constant.
    Number(U256),
    /// A variable.
    Name(String),
    /// An instruction with its arguments.
    Call(Op, Vec<Expr>),
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A comment, without its slashes.
    Comment(String),
    /// `let name := value`, or `let name`.
    Let(String, Option<Expr>),
    /// `name := value`.
    Set(String, Expr),
    /// An instruction that has no value.
    Do(Op, Vec<Expr>),
    /// `if condition { … }`.
    If(Expr, Vec<Statement>),
    /// `for { … } condition { … } { … }`: start, condition, step, body.
    For(Vec<Statement>, Expr, Vec<Statement>, Vec<Statement>),
    /// `{ … }`.
    Block(Vec<Statement>),
    /// The definition of one of the three functions: parameters, result, body.
    Function(Op, Vec<String>, String, Vec<Statement>),
}

/// A place in the assembly that zkml does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {at}")]
pub struct NotUnderstood {
    /// What is wrong with it.
    pub what: &'static str,
    /// The text of the statement, or where it stands.
    pub at: String,
}

impl NotUnderstood {
    pub(crate) fn new(what: &'static str, at: &impl ToString) -> Self {
        Self {
            what,
            at: at.to_string().chars().take(200).collect(),
        }
    }
}

impl Expr {
    /// A constant.
    pub fn number(value: usize) -> Self {
        Expr::Number(U256::from(value))
    }

    /// A variable.
    pub fn name(name: &str) -> Self {
        Expr::Name(name.to_string())
    }

    /// The scalar field's order, as generated code names it.
    pub fn order() -> Self {
        Expr::name("f_q")
    }

    /// `mload(at)`.
    pub fn load(at: usize) -> Self {
        Expr::Call(Op::MLoad, vec![Expr::number(at)])
    }

    /// `addmod(a, b, f_q)`.
    pub fn sum(a: Expr, b: Expr) -> Self {
        Expr::Call(Op::AddMod, vec![a, b, Expr::order()])
    }

    /// `mulmod(a, b, f_q)`.
    pub fn product(a: Expr, b: Expr) -> Self {
        Expr::Call(Op::MulMod, vec![a, b, Expr::order()])
    }

    /// The value of a constant that is an address or a length.
    pub fn as_usize(&self) -> Option<usize> {
        match self {
            Expr::Number(value) => usize::try_from(*value).ok(),
            Expr::Name(_) | Expr::Call(..) => None,
        }
    }

    /// The address of `mload(ADDRESS)`.
    pub fn loaded(&self) -> Option<usize> {
        match self {
            Expr::Call(Op::MLoad, at) => at.first()?.as_usize(),
            _ => None,
        }
    }

    /// The two arguments of `op(a, b, f_q)`.
    pub fn modular(&self, op: Op) -> Option<(&Expr, &Expr)> {
        match self {
            Expr::Call(found, arguments) if *found == op => match &arguments[..] {
                [a, b, Expr::Name(modulus)] if modulus == "f_q" => Some((a, b)),
                _ => None,
            },
            _ => None,
        }
    }

    /// x in `sub(f_q, x)`.
    pub fn negated(&self) -> Option<&Expr> {
        match self {
            Expr::Call(Op::Sub, arguments) => match &arguments[..] {
                [Expr::Name(modulus), x] if modulus == "f_q" => Some(x),
                _ => None,
            },
            _ => None,
        }
    }

    /// The expression and all in it, from the outside in.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        if let Expr::Call(_, arguments) = self {
            arguments.iter().for_each(|argument| argument.walk(visit));
        }
    }

    /// Whether some part of it is such.
    pub fn any(&self, mut test: impl FnMut(&Expr) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |part| found |= test(part));
        found
    }

    /// Replaces parts of it, the innermost first.
    pub fn replace(&mut self, with: &mut impl FnMut(&Expr) -> Option<Expr>) {
        if let Expr::Call(_, arguments) = self {
            arguments
                .iter_mut()
                .for_each(|argument| argument.replace(with));
        }
        if let Some(other) = with(self) {
            *self = other;
        }
    }
}

/// A call of a precompiled contract that the verdict counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precompile {
    /// Its address.
    pub address: usize,
    /// Address and length of its input.
    pub input: (usize, usize),
    /// Address and length of its output.
    pub output: (usize, usize),
}

impl Precompile {
    /// `success := and(eq(staticcall(gas(), ADDRESS, FROM, LENGTH, TO, LENGTH), 1), success)`.
    pub fn statement(self) -> Statement {
        let (from, to) = (self.input, self.output);
        let arguments = [self.address, from.0, from.1, to.0, to.1].map(Expr::number);
        let gas = std::iter::once(Expr::Call(Op::Gas, vec![]));
        let call = Expr::Call(Op::StaticCall, gas.chain(arguments).collect());
        let done = Expr::Call(Op::Eq, vec![call, Expr::number(1)]);
        let success = Expr::Call(Op::And, vec![done, Expr::name("success")]);
        Statement::Set("success".to_string(), success)
    }
}

impl Statement {
    /// `mstore(at, value)`.
    pub fn store(at: usize, value: Expr) -> Self {
        Statement::Do(Op::MStore, vec![Expr::number(at), value])
    }

    /// Address and value of `mstore(ADDRESS, VALUE)`.
    pub fn stored(&self) -> Option<(usize, &Expr)> {
        match self {
            Statement::Do(Op::MStore, arguments) => match &arguments[..] {
                [at, value] => Some((at.as_usize()?, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The call of a [`Precompile::statement`].
    pub fn called(&self) -> Option<Precompile> {
        let Statement::Set(_, Expr::Call(Op::And, both)) = self else {
            return None;
        };
        let Some(Expr::Call(Op::Eq, sides)) = both.first() else {
            return None;
        };
        let Some(Expr::Call(Op::StaticCall, arguments)) = sides.first() else {
            return None;
        };
        let numbers: Vec<usize> = arguments.iter().skip(1).map_while(Expr::as_usize).collect();
        let [address, from, length, to, out] = numbers[..] else {
            return None;
        };
        let call = Precompile {
            address,
            input: (from, length),
            output: (to, out),
        };
        (*self == call.statement()).then_some(call)
    }

    /// The expressions that stand in the statement itself, not in its blocks.
    pub fn expressions(&self) -> Vec<&Expr> {
        match self {
            Statement::Comment(_) | Statement::Block(_) | Statement::Function(..) => vec![],
            Statement::Let(_, value) => value.iter().collect(),
            Statement::Set(_, value) | Statement::If(value, _) | Statement::For(_, value, _, _) => {
                vec![value]
            }
            Statement::Do(_, arguments) => arguments.iter().collect(),
        }
    }

    /// The same, to be changed.
    pub fn expressions_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Statement::Comment(_) | Statement::Block(_) | Statement::Function(..) => vec![],
            Statement::Let(_, value) => value.iter_mut().collect(),
            Statement::Set(_, value) | Statement::If(value, _) | Statement::For(_, value, _, _) => {
                vec![value]
            }
            Statement::Do(_, arguments) => arguments.iter_mut().collect(),
        }
    }

    /// The blocks in the statement, in the order in which they run; not a function's.
    pub fn blocks(&self) -> Vec<&[Statement]> {
        match self {
            Statement::Block(block) | Statement::If(_, block) => vec![block],
            Statement::For(start, _, step, body) => vec![start, body, step],
            Statement::Comment(_)
            | Statement::Let(..)
            | Statement::Set(..)
            | Statement::Do(..)
            | Statement::Function(..) => vec![],
        }
    }

    /// The same, to be changed.
    pub fn blocks_mut(&mut self) -> Vec<&mut Vec<Statement>> {
        match self {
            Statement::Block(block) | Statement::If(_, block) => vec![block],
            Statement::For(start, _, step, body) => vec![start, body, step],
            Statement::Comment(_)
            | Statement::Let(..)
            | Statement::Set(..)
            | Statement::Do(..)
            | Statement::Function(..) => vec![],
        }
    }
}

/// Visits all statements, those in blocks too, in the order in which they stand; whether each is in a block.
pub fn each<'a>(statements: &'a [Statement], visit: &mut impl FnMut(&'a Statement, bool)) {
    fn inner<'a>(
        statements: &'a [Statement],
        nested: bool,
        visit: &mut impl FnMut(&'a Statement, bool),
    ) {
        for statement in statements {
            visit(statement, nested);
            for block in statement.blocks() {
                inner(block, true, visit);
            }
        }
    }
    inner(statements, false, visit);
}

/// Keeps the statements for which `keep` says so, in blocks too; it may change them.
pub fn retain(
    statements: &mut Vec<Statement>,
    nested: bool,
    keep: &mut impl FnMut(&mut Statement, bool) -> bool,
) {
    statements.retain_mut(|statement| {
        let kept = keep(statement, nested);
        if kept {
            for block in statement.blocks_mut() {
                retain(block, true, keep);
            }
        }
        kept
    });
}
