//! Digests of files, as ceremonies publish them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::hex;

/// BLAKE2b-512 of a file, as ceremonies publish it (`b2sum FILE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FileDigest(pub [u8; 64]);

impl fmt::Display for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::show(&self.0))
    }
}

impl FromStr for FileDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::parse(text.as_bytes()).map(Self).ok_or_else(|| {
            "expected the 128 hexadecimal digits of a BLAKE2b-512 digest, as `b2sum` prints it"
                .to_owned()
        })
    }
}

impl From<FileDigest> for String {
    fn from(digest: FileDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for FileDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
