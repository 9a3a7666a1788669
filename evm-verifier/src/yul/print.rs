//! From the tree to text, a statement or a brace a line.

use super::{Expr, Statement};
use std::fmt::{Display, Formatter, Result};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expr::Number(value) => write!(f, "{value:#x}"),
            Expr::Name(name) => f.write_str(name),
            Expr::Call(op, arguments) => call(f, op.signature().0, arguments),
        }
    }
}

fn call(f: &mut Formatter<'_>, name: &str, arguments: &[Expr]) -> Result {
    write!(f, "{name}(")?;
    for (i, argument) in arguments.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{argument}")?;
    }
    f.write_str(")")
}

fn lines(f: &mut Formatter<'_>, block: &[Statement]) -> Result {
    f.write_str("{\n")?;
    for statement in block {
        writeln!(f, "{statement}")?;
    }
    f.write_str("}")
}

/// Statements on one line.
fn line(f: &mut Formatter<'_>, block: &[Statement]) -> Result {
    f.write_str("{ ")?;
    for statement in block {
        write!(f, "{statement} ")?;
    }
    f.write_str("}")
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Statement::Comment(text) => write!(f, "// {text}"),
            Statement::Let(name, None) => write!(f, "let {name}"),
            Statement::Let(name, Some(value)) => write!(f, "let {name} := {value}"),
            Statement::Set(name, value) => write!(f, "{name} := {value}"),
            Statement::Do(op, arguments) => call(f, op.signature().0, arguments),
            Statement::If(condition, block) => {
                write!(f, "if {condition} ")?;
                lines(f, block)
            }
            Statement::For(start, condition, step, body) => {
                f.write_str("for ")?;
                line(f, start)?;
                write!(f, " {condition} ")?;
                line(f, step)?;
                f.write_str(" ")?;
                lines(f, body)
            }
            Statement::Block(block) => lines(f, block),
            Statement::Function(op, parameters, result, body) => {
                let name = op.signature().0;
                write!(f, "function {name}({}) -> {result} ", parameters.join(", "))?;
                lines(f, body)
            }
        }
    }
}
