//! A layer of a file, and what messages call it.

use super::Layer;
use crate::ImportError;
use zkml_graph::Clamp;

/// A layer, and what messages call it.
pub(super) struct Place<'a> {
    pub layer: &'a Layer,
    pub name: String,
}

impl Place<'_> {
    pub fn input(&self, at: usize) -> Result<i64, ImportError> {
        self.layer.inp_idxes.get(at).copied().ok_or_else(|| {
            let expected = format!("at least {} inputs", at + 1);
            ImportError::malformed(&self.name, expected, self.layer.inp_idxes.len())
        })
    }

    pub fn param(&self, at: usize) -> Result<i64, ImportError> {
        self.layer.params.get(at).copied().ok_or_else(|| {
            let expected = format!("at least {} params", at + 1);
            ImportError::malformed(&self.name, expected, self.layer.params.len())
        })
    }

    pub fn size(&self, at: usize) -> Result<usize, ImportError> {
        let value = self.param(at)?;
        match usize::try_from(value) {
            Ok(size) if (1..=1 << 20).contains(&size) => Ok(size),
            _ => Err(self.bad_param(at, "1 to 2^20", value)),
        }
    }

    pub fn bad_param(&self, at: usize, expected: &str, got: i64) -> ImportError {
        ImportError::malformed(format!("{}: params[{at}]", self.name), expected, got)
    }

    /// The activation that a parameter names.
    pub fn activation(&self, at: usize, scale: i64) -> Result<Option<Clamp>, ImportError> {
        match self.layer.params.get(at).copied().unwrap_or(0) {
            0 => Ok(None),
            1 => Ok(Some(Clamp::RELU)),
            3 => Ok(Some(Clamp {
                lo: 0,
                hi: Some(6 * scale),
            })),
            other => Err(self.bad_param(at, "activation 0 (none), 1 (relu) or 3 (relu6)", other)),
        }
    }
}
