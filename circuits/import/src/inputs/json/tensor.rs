//! One input of a JSON file: a number, or nested lists of numbers that are all of one length.

use super::super::error::{problem, Problem};
use super::super::numbers::Given;
use super::NUMBER;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::Deserializer;
use std::fmt;

/// What an element may be.
const ELEMENT: &str = "a number, a boolean or a list";

/// A tensor as it is read.
pub(super) struct Building {
    /// No more than the model takes, and one.
    values: Vec<f64>,
    most: usize,
    /// Lengths of lists, from the outside in, as the first ones that were read have them.
    sizes: Vec<usize>,
    /// How many lists are around each number.
    depth: Option<usize>,
}

impl Building {
    pub fn new(most: usize) -> Self {
        Building {
            values: Vec::new(),
            most,
            sizes: Vec::new(),
            depth: None,
        }
    }

    /// One number for a whole input.
    pub fn push(&mut self, number: f64) {
        // The shape says how many there were.
        if self.values.len() <= self.most {
            self.values.push(number);
        }
    }

    pub fn given(self) -> Given {
        Given {
            shape: self.sizes,
            values: self.values,
        }
    }
}

/// Reads a tensor. The places of numbers and the lengths of lists are checked as they come.
pub(super) struct Numbers<'r> {
    building: &'r mut Building,
    /// Which of the file's inputs it is, for messages.
    prefix: String,
    problem: &'r mut Option<Problem>,
    /// An index in each list around the reader.
    place: Vec<usize>,
    /// Lengths of the lists that are closed, and of those around them so far as known.
    known: Vec<Option<usize>>,
}

impl<'r> Numbers<'r> {
    pub fn new(
        building: &'r mut Building,
        prefix: String,
        problem: &'r mut Option<Problem>,
    ) -> Self {
        Numbers {
            building,
            prefix,
            problem,
            place: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Reads a list that is the tensor.
    pub fn whole<'de, A: SeqAccess<'de>>(mut self, items: A) -> Result<(), A::Error> {
        self.list(items)?;
        self.finish();
        Ok(())
    }

    fn finish(self) {
        self.building.sizes = self.known.iter().map(|size| size.unwrap_or(0)).collect();
    }

    fn stop<E: Error>(&mut self, expected: impl Into<String>, got: impl ToString) -> E {
        let indices = self.place.iter().map(|at| format!("[{at}]"));
        let indices = indices.collect::<String>();
        let place = format!("JSON element {}{indices}", self.prefix);
        *self.problem = Some(problem(place.trim_end(), expected, got));
        E::custom("")
    }

    fn number<E: Error>(&mut self, number: f64) -> Result<(), E> {
        let depth = self.place.len();
        if *self.building.depth.get_or_insert(depth) != depth || self.known.len() > depth {
            return Err(self.stop("a list, as elsewhere in it", "a number"));
        }
        self.building.push(number);
        Ok(())
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, mut items: A) -> Result<(), A::Error> {
        let depth = self.place.len();
        if self.building.depth.is_some_and(|numbers| numbers <= depth) {
            return Err(self.stop("a number, as elsewhere in it", "a list"));
        }
        if self.known.len() == depth {
            self.known.push(None);
        }
        self.place.push(0);
        let mut count = 0;
        while items.next_element_seed(&mut *self)?.is_some() {
            count += 1;
            if let Some(at) = self.place.get_mut(depth) {
                *at = count;
            }
        }
        self.place.truncate(depth);
        match self.known.get_mut(depth) {
            Some(Some(known)) if *known != count => {
                let expected = format!("a list of {known}, as elsewhere in it");
                Err(self.stop(expected, format!("one of {count}")))
            }
            Some(known) => {
                *known = Some(count);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Numbers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(&mut self)?;
        self.finish();
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Numbers<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Numbers<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ELEMENT)
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

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(self.stop(ELEMENT, "null"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        let got = "a string (numbers stand without quotes)";
        Err(self.stop(ELEMENT, got))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if map.next_key::<String>()?.as_deref() != Some(NUMBER) {
            return Err(self.stop(ELEMENT, "an object"));
        }
        let digits: String = map.next_value()?;
        match parsed(&digits) {
            Some(number) => self.number(number),
            None => Err(self.stop(ELEMENT, "one of more than 64 bits")),
        }
    }
}

/// A number of as many digits as one likes, as the nearest of 64 bits.
pub(super) fn parsed(digits: &str) -> Option<f64> {
    digits.parse().ok().filter(|number| f64::is_finite(*number))
}
