//! Hexadecimal digits.

/// Two lower-case digits a byte.
pub(super) fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly `N` bytes, from two digits each.
pub(super) fn parse<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0u8, |value, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(value << 4 | digit as u8)
        })?;
    }
    Some(bytes)
}
