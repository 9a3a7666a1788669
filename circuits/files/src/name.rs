//! Names out of files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name, in bytes; a name with an ending must fit into a folder.
const MAX_LEN: usize = 200;

/// A name that somebody else chose, from which a path is made: one component, in the folder that the reader chose.
///
/// Every name that is read from a file and becomes a part of a path is of this type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(String);

impl Name {
    /// The file of this name and an ending in a folder.
    pub fn in_folder(&self, folder: &Path, ending: &str) -> PathBuf {
        folder.join(format!("{}{ending}", self.0))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no name of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name: expected letters, digits, _ and -, at most {MAX_LEN}, got \"{got}\"")]
pub struct NameError {
    got: String,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if (1..=MAX_LEN).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        let got = text.chars().take(64).flat_map(char::escape_debug).collect();
        Err(NameError { got })
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        let name: Name = "ZkmlVerifier_2".parse().unwrap();
        let path = name.in_folder(Path::new("contract"), ".json");
        assert_eq!(path, Path::new("contract/ZkmlVerifier_2.json"));
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/etc",
            "a\\b",
            "a.b",
            "a\0",
            "a\nb",
            "C:",
            "~",
            "ä",
            "../../x/pwn",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(MAX_LEN + 1).parse::<Name>().is_err());
        assert!(serde_json::from_str::<Name>("\"../x\"").is_err());
    }
}
