//! The settings that `zkml calibrate` writes.

use anyhow::{anyhow, Context};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};
use zkml_files as files;
use zkml_import::without_values;

/// Largest settings file.
const MAX_SETTINGS: u64 = 1 << 16;

/// How to read a model, as `zkml calibrate` found it best.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The scale.
    pub scale: Option<i64>,
    /// Range of the input values as real numbers.
    pub input_range: Option<(f64, f64)>,
    /// Ranges of single inputs, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub input_ranges: BTreeMap<String, (f64, f64)>,
}

impl Settings {
    /// Reads the file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = files::read_bounded(path, MAX_SETTINGS)?;
        let expected = || {
            format!(
                "{}: expected the settings that zkml calibrate writes",
                path.display()
            )
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| anyhow!(without_values(error)))
            .with_context(expected)
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        files::write_atomic(path, &mut |file| file.write_all(text.as_bytes()))?;
        Ok(())
    }
}
