//! JSON: nested lists of numbers, or ezkl's `{"input_data": [[…]]}`.
//!
//! Numbers go where they belong as they are read, and no more of them than the model takes: a file becomes no tree of
//! values, which would be many times its size.

use super::{problem, Problem};
use crate::import::without_values;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;
use std::fmt;

/// What a file must be.
const EXPECTED: &str = "nested lists of numbers, or {\"input_data\": [[…]]}";
/// Key under which serde_json hands a number on as text, where it is built to keep all digits.
const NUMBER: &str = "$serde_json::private::Number";
/// Keys of an object that an error lists.
const LISTED: usize = 8;

/// One flat list for each input; `most` elements at most in all.
pub(super) fn parse(bytes: &[u8], inputs: usize, most: usize) -> Result<Vec<Vec<f64>>, Problem> {
    let mut reader = Reader {
        lists: vec![Vec::new(); inputs],
        place: Vec::new(),
        read: 0,
        most,
        problem: None,
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = File(&mut reader, true)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    match (reader.problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(error)) => Err(problem("JSON", EXPECTED, without_values(error))),
        (None, Ok(())) => Ok(reader.lists),
    }
}

struct Reader {
    lists: Vec<Vec<f64>>,
    /// Where the reader is: an index in each list around it.
    place: Vec<usize>,
    read: usize,
    most: usize,
    /// What stopped it, if not JSON itself.
    problem: Option<Problem>,
}

impl Reader {
    /// Keeps the problem, and makes the reader stop.
    fn stop<E: Error>(&mut self, place: String, expected: impl Into<String>, got: &str) -> E {
        self.problem = Some(problem(place, expected, got));
        E::custom("")
    }

    fn here(&self) -> String {
        let indices = self.place.iter().map(|at| format!("[{at}]"));
        format!("JSON element {}", indices.collect::<String>())
    }

    fn push<E: Error>(&mut self, number: f64) -> Result<(), E> {
        self.read += 1;
        if self.read > self.most {
            let expected = format!("{} elements in all", self.most);
            return Err(self.stop(self.here(), expected, "more"));
        }
        // One input takes all lists.
        let at = match self.lists.len() {
            1 => 0,
            _ => self.place.first().copied().unwrap_or(0),
        };
        let list = self.lists.get_mut(at);
        list.map(|list| list.push(number))
            .ok_or_else(|| E::custom("a list for no input"))
    }
}

/// The whole file: a list, or, where that is allowed, an object that has one.
struct File<'r>(&'r mut Reader, bool);

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(self.0.stop("JSON".into(), "a list", "a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inputs = self.0.lists.len();
        let mut count = 0;
        self.0.place.push(0);
        while items.next_element_seed(Nested(&mut *self.0))?.is_some() {
            count += 1;
            if inputs != 1 && count >= inputs {
                break;
            }
            self.0.place = vec![count];
        }
        let more = inputs != 1 && items.next_element::<IgnoredAny>()?.is_some();
        if inputs != 1 && (more || count != inputs) {
            let expected = format!("a list for each of {inputs} inputs");
            let got = if more {
                "more".to_owned()
            } else {
                count.to_string()
            };
            return Err(self.0.stop("JSON".into(), expected, &got));
        }
        self.0.place.clear();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Vec::new();
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == NUMBER || !self.1 {
                let got = if key == NUMBER {
                    "a number"
                } else {
                    "an object"
                };
                return Err(self.0.stop("JSON".into(), "a list", got));
            }
            if key == "input_data" {
                if std::mem::replace(&mut found, true) {
                    let expected = "a key input_data once";
                    return Err(self.0.stop("JSON".into(), expected, "it twice"));
                }
                map.next_value_seed(File(&mut *self.0, false))?;
                continue;
            }
            if keys.len() < LISTED {
                keys.push(key.chars().take(64).collect::<String>());
            }
            map.next_value::<IgnoredAny>()?;
        }
        if found {
            return Ok(());
        }
        let got = format!("keys {}", keys.join(", "));
        Err(self.0.stop("JSON".into(), "a key input_data", &got))
    }
}

/// A number, or lists of them.
struct Nested<'r>(&'r mut Reader);

impl Nested<'_> {
    fn refuse<E: Error>(self, got: &str) -> E {
        let place = self.0.here();
        self.0.stop(place, "a number, a boolean or a list", got)
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean or a list")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push(f64::from(u8::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.refuse("null"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(self.refuse("a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.0.place.len();
        let mut count = 0;
        self.0.place.push(count);
        while items.next_element_seed(Nested(&mut *self.0))?.is_some() {
            count += 1;
            if let Some(at) = self.0.place.get_mut(depth) {
                *at = count;
            }
        }
        self.0.place.truncate(depth);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if map.next_key::<String>()?.as_deref() != Some(NUMBER) {
            return Err(self.refuse("an object"));
        }
        let digits: String = map.next_value()?;
        match digits.parse() {
            Ok(number) if f64::is_finite(number) => self.0.push(number),
            Ok(_) => Err(self.refuse("one of more than 64 bits")),
            Err(_) => Err(self.refuse("a number that is none")),
        }
    }
}
