//! What becomes of each initialiser of a model file: committed, or public and why.

use super::ImportError;
use serde::Serialize;
use std::collections::BTreeSet;

/// An initialiser, and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Initialiser {
    /// Its name in the file.
    pub name: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What becomes of an initialiser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", content = "why", rename_all = "lowercase")]
pub enum Fate {
    /// Weights: under C, of which public files tell the width only.
    Committed,
    /// The architecture follows from its numbers.
    Public(Vec<Reason>),
    /// The graph has nothing of it.
    Unused,
}

/// Why numbers are public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What they decide, and where.
    pub what: String,
    /// They are shapes, indices, or say which function is computed, as attributes would. Other numbers may
    /// have been learned, and are public only if the owner says so.
    pub structural: bool,
}

/// Reasons that are kept of one initialiser, and one more for consent: thousands of nodes may read its numbers.
const REASONS: usize = 16;

impl Initialiser {
    /// One that is structure.
    pub(super) fn public(name: String, what: String) -> Self {
        let structural = true;
        Initialiser {
            name,
            fate: Fate::Public(vec![Reason { what, structural }]),
        }
    }

    /// It is a weight: what is known of it is its width.
    pub(super) fn commit(&mut self, mut values: impl Iterator<Item = f64>) {
        if self.fate == Fate::Unused {
            self.fate = Fate::Committed;
        }
        if values.all(|v| v == 0.0) {
            self.disclose("all of it is zero, which ranges tell".to_owned(), true);
        }
    }

    /// Adds a reason.
    pub(super) fn disclose(&mut self, what: String, structural: bool) {
        let reason = Reason { what, structural };
        match &mut self.fate {
            Fate::Public(reasons) if reasons.contains(&reason) => {}
            // Enough is said, unless this is what consent is asked for.
            Fate::Public(reasons)
                if reasons.len() >= REASONS
                    && (structural || reasons.iter().any(|known| !known.structural)) => {}
            Fate::Public(reasons) => reasons.push(reason),
            Fate::Committed | Fate::Unused => self.fate = Fate::Public(vec![reason]),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match &self.fate {
            Fate::Committed => "committed".to_owned(),
            Fate::Public(reasons) => {
                let each: Vec<&str> = reasons.iter().map(|r| r.what.as_str()).collect();
                format!("public: {}", each.join("; "))
            }
            Fate::Unused => "not used".to_owned(),
        }
    }
}

/// Numbers that may have been learned, are public, and are none of those named: each with what it decides.
pub(super) fn unnamed<'a>(
    all: &'a [Initialiser],
    public: &'a [String],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let learned = |one: &'a Initialiser| match &one.fate {
        Fate::Public(reasons) => {
            let reason = reasons.iter().find(|reason| !reason.structural)?;
            Some((one.name.as_str(), reason.what.as_str()))
        }
        Fate::Committed | Fate::Unused => None,
    };
    let asked = |(name, _): &(&str, &str)| !public.iter().any(|named| named == name);
    all.iter().filter_map(learned).filter(asked)
}

/// Fails if numbers that may have been learned are public and their owner has not said so by name.
pub(super) fn consented(all: &[Initialiser], public: &[String]) -> Result<(), ImportError> {
    if let Some((name, what)) = unnamed(all, public).next() {
        return Err(ImportError::malformed(
            format!("initialiser '{name}'"),
            format!(
                "numbers that stay private, or --public '{name}' to say that everybody may see them"
            ),
            format!("one that is public: {what}"),
        ));
    }
    known(all, public)
}

/// Fails if a name is none of an initialiser.
pub(super) fn known(all: &[Initialiser], public: &[String]) -> Result<(), ImportError> {
    let named: BTreeSet<&str> = public.iter().map(String::as_str).collect();
    let unknown = |name: &&&str| !all.iter().any(|one| one.name == ***name);
    if let Some(name) = named.iter().find(unknown) {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).take(8).collect();
        let expected = match names.as_slice() {
            [] => "no name: the file has no initialisers".to_owned(),
            names => format!("the name of an initialiser, such as {}", names.join(", ")),
        };
        return Err(ImportError::malformed(
            "--public",
            expected,
            format!("'{name}'"),
        ));
    }
    Ok(())
}
