//! What names mean in one graph, one branch, or one call of a function.

use super::super::attributes::OnnxNode;
use super::super::schema::AttributeProto;
use super::ImportError;
use std::collections::HashMap;

/// Names, and what is around them.
pub(super) struct Scope<'s> {
    /// Names of the graph, by names of the scope; of what is absent there is none.
    names: HashMap<String, String>,
    around: Option<&'s Scope<'s>>,
    /// The names that results of a call have in the graph, by those of the function.
    wanted: HashMap<String, String>,
    /// Values of a function's attributes; `None` outside of functions.
    attributes: Option<&'s HashMap<String, AttributeProto>>,
    /// What names begin with here; nothing in the graph itself.
    pub prefix: String,
    pub opset: i64,
}

impl<'s> Scope<'s> {
    /// The graph itself, whose names stay.
    pub fn top(given: Vec<String>, opset: i64) -> Self {
        Scope {
            names: given.into_iter().map(|name| (name.clone(), name)).collect(),
            around: None,
            wanted: HashMap::new(),
            attributes: None,
            prefix: String::new(),
            opset,
        }
    }

    /// A branch.
    pub fn inside<'i>(&'i self, prefix: String) -> Scope<'i> {
        Scope {
            names: HashMap::new(),
            around: Some(self),
            wanted: HashMap::new(),
            attributes: self.attributes,
            prefix,
            opset: self.opset,
        }
    }

    /// A function's body, which sees nothing of its call but inputs and attributes.
    pub fn body(
        inputs: HashMap<String, String>,
        wanted: HashMap<String, String>,
        attributes: &'s HashMap<String, AttributeProto>,
        prefix: String,
        opset: i64,
    ) -> Self {
        Scope {
            names: inputs,
            around: None,
            wanted,
            attributes: Some(attributes),
            prefix,
            opset,
        }
    }

    pub fn is_top(&self) -> bool {
        self.prefix.is_empty()
    }

    /// The graph's name for one that is visible here. What is absent is nowhere, and so are inputs that a call has not.
    pub fn meaning(&self, name: &str) -> Option<&str> {
        if name.is_empty() {
            return Some("");
        }
        let own = self.names.get(name).map(String::as_str);
        own.or_else(|| self.around?.meaning(name))
    }

    pub fn is_visible(&self, name: &str) -> bool {
        self.meaning(name).is_some()
    }

    pub fn wanted(&self, name: &str) -> Option<String> {
        self.wanted.get(name).cloned()
    }

    pub fn add(&mut self, name: &str, meaning: String) {
        self.names.insert(name.to_owned(), meaning);
    }

    /// Puts values in place of references to attributes of the function. What the call leaves out and has no default is
    /// left out here too.
    pub fn set_attributes(&self, node: &mut OnnxNode) -> Result<(), ImportError> {
        let mut set = Vec::with_capacity(node.proto.attribute.len());
        for attribute in std::mem::take(&mut node.proto.attribute) {
            if attribute.ref_attr_name.is_empty() {
                set.push(attribute);
                continue;
            }
            let what = format!("attribute '{}'", attribute.name);
            let Some(values) = self.attributes else {
                let got = format!("a reference to '{}'", attribute.ref_attr_name);
                return Err(node.bad(&what, "a value, outside of functions", got));
            };
            let Some(value) = values.get(&attribute.ref_attr_name) else {
                continue;
            };
            // Old files do not say.
            let said = attribute.r#type != 0 && value.r#type != 0;
            if said && attribute.r#type != value.r#type {
                let expected = format!("a value of type {}", attribute.r#type);
                return Err(node.bad(&what, expected, format!("one of type {}", value.r#type)));
            }
            set.push(AttributeProto {
                name: attribute.name,
                ..value.clone()
            });
        }
        node.proto.attribute = set;
        Ok(())
    }
}
