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

impl Initialiser {
    /// Adds a reason.
    pub(super) fn disclose(&mut self, what: String, structural: bool) {
        let reason = Reason { what, structural };
        match &mut self.fate {
            Fate::Public(reasons) if reasons.contains(&reason) => {}
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

/// Fails if numbers that may have been learned are public and their owner has not said so by name.
pub(super) fn consented(all: &[Initialiser], public: &[String]) -> Result<(), ImportError> {
    let named: BTreeSet<&str> = public.iter().map(String::as_str).collect();
    for one in all {
        let Fate::Public(reasons) = &one.fate else {
            continue;
        };
        let learned = reasons.iter().find(|reason| !reason.structural);
        if let Some(reason) = learned.filter(|_| !named.contains(one.name.as_str())) {
            return Err(ImportError::malformed(
                format!("initialiser '{}'", one.name),
                format!(
                    "numbers that stay private, or --public '{}' to say that everybody may see them",
                    one.name
                ),
                format!("one that is public: {}", reason.what),
            ));
        }
    }
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
