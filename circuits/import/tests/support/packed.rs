//! MessagePack of JSON values.
//!
//! `serde_json` may be built to keep numbers as text (a feature that other crates of the
//! workspace turn on), and then writes them as maps; plain numbers are what files hold.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(untagged)]
enum Plain {
    Null(()),
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Plain>),
    Map(BTreeMap<String, Plain>),
}

fn plain(value: &Value) -> Plain {
    match value {
        Value::Null => Plain::Null(()),
        Value::Bool(b) => Plain::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Plain::Integer(i),
            None => Plain::Float(n.as_f64().unwrap()),
        },
        Value::String(s) => Plain::Text(s.clone()),
        Value::Array(items) => Plain::List(items.iter().map(plain).collect()),
        Value::Object(items) => {
            Plain::Map(items.iter().map(|(k, v)| (k.clone(), plain(v))).collect())
        }
    }
}

/// The bytes of a value.
pub fn to_msgpack(value: &Value) -> Vec<u8> {
    rmp_serde::to_vec_named(&plain(value)).unwrap()
}
