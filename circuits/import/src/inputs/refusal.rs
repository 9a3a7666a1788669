//! Files that are something else than their name says, by their first bytes: what a parser would say of them helps
//! nobody.

use super::error::{problem, Problem};
use zkml_files::{is_pointer, POINTER_WORDS};

/// Fails on what no reader takes.
pub(super) fn recognised(bytes: &[u8]) -> Result<(), Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(problem("content", "an input", "an empty file"));
    }
    if is_pointer(bytes) {
        return Err(problem("content", "an input", POINTER_WORDS));
    }
    Ok(())
}

/// The text of a JSON file, without a byte order mark.
pub(super) fn utf8(bytes: &[u8]) -> Result<&[u8], Problem> {
    let expected = "JSON in UTF-8";
    let utf16 = |bytes: &[u8]| match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        // An ASCII character first, without a mark.
        [0, a, ..] | [a, 0, ..] => a.is_ascii() && *a != 0,
        _ => false,
    };
    if utf16(bytes) {
        return Err(problem("encoding", expected, "UTF-16"));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(text) {
        Ok(_) => Ok(text),
        Err(error) => {
            let got = format!("bytes that are no text at {}", error.valid_up_to());
            Err(problem("encoding", expected, got))
        }
    }
}
