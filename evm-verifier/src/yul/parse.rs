//! From text to the tree.

use super::{Expr, NotUnderstood, Op, Statement};
use revm::primitives::U256;

/// How deep blocks and expressions may nest.
const MAX_DEPTH: usize = 200;

/// Reads statements.
pub fn parse(text: &str) -> Result<Vec<Statement>, NotUnderstood> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
    };
    let statements = parser.statements(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(statements),
        Some(token) => Err(NotUnderstood::new("a token too many", token)),
    }
}

/// Comments are tokens, with their slashes.
fn tokens(text: &str) -> Result<Vec<String>, NotUnderstood> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with(":=") || rest.starts_with("->") {
            2
        } else if "{}(),".contains(first) {
            1
        } else {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        if token.is_empty() {
            return Err(NotUnderstood::new("no token", &rest));
        }
        tokens.push(token.trim_end().to_string());
        rest = after.trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at.saturating_add(ahead))
            .map_or("", String::as_str)
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn next(&mut self) -> Result<String, NotUnderstood> {
        let token = self.tokens.get(self.at).cloned();
        self.skip();
        token.ok_or_else(|| NotUnderstood::new("the text ends", &"expected more"))
    }

    fn take(&mut self, expected: &str) -> Result<(), NotUnderstood> {
        let got = self.next()?;
        if got == expected {
            return Ok(());
        }
        let before = self.tokens.get(self.at.saturating_sub(8)..self.at);
        let at = before.unwrap_or_default().join(" ");
        Err(NotUnderstood::new("another token was expected", &at))
    }

    fn name(&mut self) -> Result<String, NotUnderstood> {
        let name = self.next()?;
        let first = name.chars().next();
        let known = Op::named(&name).is_some() || RESERVED.contains(&name.as_str());
        if first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && !known {
            Ok(name)
        } else {
            Err(NotUnderstood::new("expected a variable's name", &name))
        }
    }

    fn block(&mut self, depth: usize) -> Result<Vec<Statement>, NotUnderstood> {
        self.take("{")?;
        let statements = self.statements(depth.saturating_add(1))?;
        self.take("}")?;
        Ok(statements)
    }

    fn statements(&mut self, depth: usize) -> Result<Vec<Statement>, NotUnderstood> {
        if depth > MAX_DEPTH {
            return Err(NotUnderstood::new("blocks nest too deep", &self.peek(0)));
        }
        let mut statements = Vec::new();
        while !["", "}"].contains(&self.peek(0)) {
            statements.push(self.statement(depth)?);
        }
        Ok(statements)
    }

    fn statement(&mut self, depth: usize) -> Result<Statement, NotUnderstood> {
        if let Some(comment) = self.peek(0).strip_prefix("//") {
            let comment = comment.trim().to_string();
            self.skip();
            return Ok(Statement::Comment(comment));
        }
        match self.peek(0) {
            "{" => Ok(Statement::Block(self.block(depth)?)),
            "let" => {
                self.skip();
                let name = self.name()?;
                let value = match self.peek(0) {
                    ":=" => {
                        self.skip();
                        Some(self.expression(depth)?)
                    }
                    _ => None,
                };
                Ok(Statement::Let(name, value))
            }
            "if" => {
                self.skip();
                let condition = self.expression(depth)?;
                Ok(Statement::If(condition, self.block(depth)?))
            }
            "for" => {
                self.skip();
                let start = self.block(depth)?;
                let condition = self.expression(depth)?;
                let step = self.block(depth)?;
                let body = self.block(depth)?;
                Ok(Statement::For(start, condition, step, body))
            }
            "function" => self.function(depth),
            _ if self.peek(1) == ":=" => {
                let name = self.name()?;
                self.skip();
                Ok(Statement::Set(name, self.expression(depth)?))
            }
            _ => match self.expression(depth)? {
                Expr::Call(op, arguments) => Ok(Statement::Do(op, arguments)),
                other => Err(NotUnderstood::new("a value without a use", &other)),
            },
        }
    }

    fn function(&mut self, depth: usize) -> Result<Statement, NotUnderstood> {
        self.skip();
        let name = self.next()?;
        let op = match Op::named(&name) {
            Some(op @ (Op::Points | Op::Scalars | Op::ValidatePoint)) => op,
            _ => return Err(NotUnderstood::new("a function that zkml knows not", &name)),
        };
        self.take("(")?;
        let mut parameters = vec![self.name()?];
        while self.peek(0) == "," {
            self.skip();
            parameters.push(self.name()?);
        }
        self.take(")")?;
        self.take("->")?;
        let result = self.name()?;
        if parameters.len() != op.signature().1 {
            return Err(NotUnderstood::new("another number of parameters", &name));
        }
        let body = self.block(depth)?;
        Ok(Statement::Function(op, parameters, result, body))
    }

    fn expression(&mut self, depth: usize) -> Result<Expr, NotUnderstood> {
        if depth > MAX_DEPTH {
            let at = self.peek(0);
            return Err(NotUnderstood::new("expressions nest too deep", &at));
        }
        let first = self.peek(0).chars().next();
        if first.is_some_and(|c| c.is_ascii_digit()) {
            let text = self.next()?;
            let (digits, radix) = match text.strip_prefix("0x") {
                Some(digits) => (digits, 16),
                None => (text.as_str(), 10),
            };
            let number = U256::from_str_radix(digits, radix).ok();
            let whole = digits.chars().all(|c| c.is_digit(radix as u32));
            return number
                .filter(|_| whole)
                .map(Expr::Number)
                .ok_or_else(|| NotUnderstood::new("no number of 256 bits", &text));
        }
        if self.peek(0) == "true" {
            self.skip();
            return Ok(Expr::number(1));
        }
        if self.peek(1) != "(" {
            return self.name().map(Expr::Name);
        }
        let name = self.next()?;
        let op = Op::named(&name)
            .ok_or_else(|| NotUnderstood::new("an instruction that zkml knows not", &name))?;
        self.take("(")?;
        let mut arguments = Vec::with_capacity(op.signature().1);
        while self.peek(0) != ")" {
            if !arguments.is_empty() {
                self.take(",")?;
            }
            arguments.push(self.expression(depth.saturating_add(1))?);
        }
        self.take(")")?;
        if arguments.len() == op.signature().1 {
            Ok(Expr::Call(op, arguments))
        } else {
            Err(NotUnderstood::new("another number of arguments", &name))
        }
    }
}

/// Words that are no names.
const RESERVED: [&str; 10] = [
    "let", "if", "for", "function", "true", "false", "switch", "break", "continue", "leave",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_was_read() {
        let text = "// A comment.
            let success := true
            function points(from, to) -> valid {
                valid := 1
                for { } lt(from, to) { from := add(from, 0x40) } { valid := and(valid, mload(from)) }
            }
            mstore(0x80, 12)
            let v
            { v := mulmod(mload(0x80), 3, f_q) mstore8(160, v) }
            success := and(eq(staticcall(gas(), 0x7, 0x3000, 0x60, 0x3000, 0x40), 1), success)
            if iszero(success) { revert(0, 0) }";
        let tree = parse(text).unwrap();
        assert_eq!(tree.len(), 8);
        let printed: String = tree
            .iter()
            .map(|statement| format!("{statement}\n"))
            .collect();
        assert_eq!(parse(&printed).unwrap(), tree);
        let call = tree[6].called().unwrap();
        assert_eq!((call.address, call.input), (7, (0x3000, 0x60)));
        assert_eq!(call.statement(), tree[6]);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in [
            "sstore(0, 1)",
            "mstore(0)",
            "mstore(0, 1, 2)",
            "mstore(0, 1",
            "x := delegatecall(1)",
            "let mload := 1",
            "switch x case 0 { }",
            "function other(a, b) -> c { }",
            "mstore(0, \"text\")",
            "0x10000000000000000000000000000000000000000000000000000000000000000",
            "7",
            "}",
            "x := 0x1_0",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let deep = format!("x := {}1{}", "iszero(".repeat(500), ")".repeat(500));
        assert!(parse(&deep).is_err());
        assert!(parse(&"{".repeat(500)).is_err());
    }
}
