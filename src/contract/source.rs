//! What a contract was compiled of: the file beside its artefact.

use super::{Artefact, MAX_FILE};
use anyhow::{anyhow, bail, Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use zkml_evm_verifier::{compile::published_version, explorer::Source};
use zkml_files::read_bounded;
use zkml_import::without_values;

/// solc's standard JSON, as far as zkml writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    language: String,
    sources: BTreeMap<String, Content>,
    settings: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// Whoever compiles it says what comes of it.
    #[serde(rename = "content")]
    _content: String,
}

impl Artefact {
    /// What the contract was compiled of, by the file that `zkml evm generate` wrote beside the artefact.
    ///
    /// # Errors
    /// If that contradicts the artefact, or if the compiler is one that others do not have.
    pub fn source(&self, folder: &Path) -> Result<Source> {
        let path = Self::input_file(folder, &self.contract);
        let place = || path.display().to_string();
        let bytes = read_bounded(&path, MAX_FILE)?;
        let text = String::from_utf8(bytes).map_err(|_| anyhow!("{}: expected text", place()))?;
        let input: Result<Input> =
            serde_json::from_str(&text).map_err(|error| anyhow!(without_values(error)));
        let input = input.with_context(|| {
            format!(
                "{}: expected what `zkml evm generate` gave the compiler",
                place()
            )
        })?;
        let file = format!("{}.sol", self.contract);
        let files: Vec<&String> = input.sources.keys().collect();
        if input.language != "Solidity" || files != [&file] {
            bail!(
                "{}: expected {file} in Solidity, got {files:?} in {}; make the contract again",
                place(),
                input.language
            );
        }
        if input.settings != self.settings {
            bail!(
                "{}: settings: expected those of the artefact, {}, got {}; make the contract again",
                place(),
                self.settings,
                input.settings
            );
        }
        let compiler = published_version(&self.solc);
        Ok(Source {
            // Without the end of the file's last line, which is no part of the JSON.
            input: text.trim_end().to_owned(),
            compiler: compiler
                .with_context(|| format!("the artefact of {}: solc", self.contract))?,
            name: format!("{file}:{}", self.contract),
        })
    }
}
