//! JSON: nested lists of numbers, ezkl's `{"input_data": [[…]]}`, or an object with a key for each input.
//!
//! Numbers go where they belong as they are read, and no more of them are kept than the model takes: a file becomes
//! no tree of values, which would be many times its size.

mod tensor;

use super::error::{problem, Problem};
use super::numbers::Given;
use super::{names, refusal, Wanted};
use crate::without_values;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;
use std::collections::BTreeSet;
use std::fmt;
use tensor::{Building, Numbers};
use zkml_graph::ops::elements;

/// What a file must be.
const EXPECTED: &str = "nested lists of numbers, or {\"input_data\": [[…]]}";
/// Key under which serde_json hands a number on as text, where it is built to keep all digits.
const NUMBER: &str = "$serde_json::private::Number";
/// ezkl's key of all inputs.
const ALL: &str = "input_data";
/// Keys of an object that an error lists.
const LISTED: usize = 8;

/// The inputs in the model's order.
pub(super) fn parse(bytes: &[u8], wanted: &[Wanted<'_>]) -> Result<Vec<Given>, Problem> {
    let text = refusal::utf8(bytes)?;
    let mut reader = Reader {
        wanted,
        lists: wanted
            .iter()
            .map(|w| Building::new(elements(&w.tensor.shape).unwrap_or(0)))
            .collect(),
        problem: None,
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = File(&mut reader, true)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    match (reader.problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(error)) => Err(syntax(text, &error)),
        (None, Ok(())) => Ok(reader.lists.into_iter().map(Building::given).collect()),
    }
}

/// What is wrong with text that is no JSON.
fn syntax(text: &[u8], error: &serde_json::Error) -> Problem {
    let place = format!("JSON, line {}, column {}", error.line(), error.column());
    let line = text.split(|b| *b == b'\n').nth(error.line().max(1) - 1);
    let line = line.unwrap_or_default();
    let at = error.column().saturating_sub(1).min(line.len());
    let (before, after) = line.split_at(at);
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_');
    let start = before.len() - before.iter().rev().take_while(|b| word(b)).count();
    let end = at + after.iter().take_while(|b| word(b)).count();
    let token = line.get(start..end).unwrap_or_default();
    let token = String::from_utf8_lossy(token);
    let plain = token.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(plain.as_str(), "nan" | "inf" | "infinity") {
        return problem(place, "a finite number", token);
    }
    let said = without_values(error);
    let said = said.split(" at line ").next().unwrap_or_default();
    problem(place, EXPECTED, said)
}

struct Reader<'w, 'g> {
    wanted: &'w [Wanted<'g>],
    lists: Vec<Building>,
    /// What stopped it, if not JSON itself.
    problem: Option<Problem>,
}

impl Reader<'_, '_> {
    /// Keeps the problem, and makes the reader stop.
    fn stop<E: Error>(&mut self, place: &str, expected: impl Into<String>, got: &str) -> E {
        self.problem = Some(problem(place, expected, got));
        E::custom("")
    }

    /// The reader of one input's numbers. Where a list of inputs is around them, it says which.
    fn numbers(&mut self, at: usize, prefix: String) -> Option<Numbers<'_>> {
        let building = self.lists.get_mut(at)?;
        Some(Numbers::new(building, prefix, &mut self.problem))
    }
}

/// The whole file: one number, a list, or, where that is allowed, an object.
struct File<'r, 'w, 'g>(&'r mut Reader<'w, 'g>, bool);

impl<'de> DeserializeSeed<'de> for File<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0.lists.len() {
            // What is no object is the input itself.
            1 if !self.1 => match self.0.numbers(0, String::new()) {
                Some(numbers) => numbers.deserialize(deserializer),
                None => Err(D::Error::custom("no input")),
            },
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'r, 'w, 'g> File<'r, 'w, 'g> {
    fn number<E: Error>(self, number: f64) -> Result<(), E> {
        match self.0.lists.as_mut_slice() {
            [one] => {
                one.push(number);
                Ok(())
            }
            all => {
                let expected = format!("a list of {} inputs", all.len());
                Err(self.0.stop("JSON", expected, "a number"))
            }
        }
    }

    /// One input is all that there is in the list; of several, each has a place in it.
    fn items<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inputs = self.0.lists.len();
        let mut count = 0;
        while count < inputs {
            let Some(numbers) = self.0.numbers(count, format!("[{count}]")) else {
                break;
            };
            if items.next_element_seed(numbers)?.is_none() {
                break;
            }
            count += 1;
        }
        let more = count == inputs && items.next_element::<IgnoredAny>()?.is_some();
        if more || count != inputs {
            let expected = format!(
                "a list for each of {inputs} inputs ({})",
                names(self.0.wanted)
            );
            let got = match more {
                true => "more".to_owned(),
                false => count.to_string(),
            };
            return Err(self.0.stop("JSON", expected, &got));
        }
        Ok(())
    }

    fn keys<'de, A: MapAccess<'de>>(
        self,
        first: Option<String>,
        mut map: A,
    ) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        let mut others = Vec::new();
        let mut named = 0;
        let mut all = false;
        let mut next = first;
        while let Some(key) = next {
            if !seen.insert(key.clone()) {
                let short: String = key.chars().take(64).collect();
                return Err(self
                    .0
                    .stop("JSON", "each key once", &format!("'{short}' twice")));
            }
            let input = self.0.wanted.iter().position(|w| w.name == key);
            if let Some(numbers) = input.and_then(|at| self.0.numbers(at, format!("'{key}' "))) {
                map.next_value_seed(numbers)?;
                named += 1;
            } else if key == ALL {
                map.next_value_seed(File(&mut *self.0, false))?;
                all = true;
            } else {
                if others.len() < LISTED {
                    others.push(key.chars().take(64).collect::<String>());
                }
                map.next_value::<IgnoredAny>()?;
            }
            next = map.next_key::<String>()?;
        }
        let inputs = self.0.wanted.len();
        match (all, named) {
            (true, 0) => Ok(()),
            (false, n) if n == inputs && others.is_empty() => Ok(()),
            _ => {
                let names = names(self.0.wanted);
                let expected =
                    format!("a key {ALL}, or one for each of the model's inputs: {names}");
                let mut keys: Vec<String> =
                    seen.iter().map(|k| k.chars().take(64).collect()).collect();
                keys.truncate(LISTED);
                let got = format!("keys {}", keys.join(", "));
                Err(self.0.stop("JSON", expected, &got))
            }
        }
    }
}

impl<'de> Visitor<'de> for File<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.number(f64::from(u8::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        match self.0.lists.len() {
            1 => match self.0.numbers(0, String::new()) {
                Some(numbers) => numbers.whole(items),
                None => Err(A::Error::custom("no input")),
            },
            _ => self.items(items),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let first = map.next_key::<String>()?;
        if first.as_deref() == Some(NUMBER) {
            let digits: String = map.next_value()?;
            return match tensor::parsed(&digits) {
                Some(number) => self.number(number),
                None => Err(self.0.stop("JSON", "a number", "one of more than 64 bits")),
            };
        }
        if !self.1 {
            return Err(self.0.stop("JSON", "a list", "an object"));
        }
        self.keys(first, map)
    }
}
