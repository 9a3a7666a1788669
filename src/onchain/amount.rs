//! Amounts of ether as text.

use zkml_evm_verifier::chain::U256;

/// Digits of an ether after the point, in wei.
const ETHER: usize = 18;
/// Digits of a gwei after the point, in wei.
const GWEI: usize = 9;

/// Wei as ether, exactly.
pub fn ether(wei: U256) -> String {
    decimal(wei, ETHER)
}

/// Wei as gwei, exactly.
pub fn gwei(wei: u128) -> String {
    decimal(U256::from(wei), GWEI)
}

fn decimal(number: U256, places: usize) -> String {
    let digits = format!(
        "{number:0>width$}",
        number = number.to_string(),
        width = places + 1
    );
    let (whole, part) = digits.split_at(digits.len() - places);
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{part}")
    }
}

/// Gwei as wei; for clap.
pub fn parse_gwei(text: &str) -> Result<u128, String> {
    parse(text, GWEI, "gwei")
}

/// Ether as wei; for clap.
pub fn parse_ether(text: &str) -> Result<u128, String> {
    parse(text, ETHER, "ether")
}

fn parse(text: &str, places: usize, unit: &str) -> Result<u128, String> {
    let expected = || format!("expected an amount in {unit}, such as 2 or 0.05; got '{text}'");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > places || !digits(whole) || !digits(part) {
        return Err(expected());
    }
    format!("{whole}{part:0<places$}")
        .parse()
        .map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(ether(U256::from(0)), "0");
        assert_eq!(ether(U256::from(1)), "0.000000000000000001");
        assert_eq!(ether(U256::from(1_500_000_000_000_000_000u64)), "1.5");
        assert_eq!(gwei(20_000_000_000), "20");
        assert_eq!(parse_ether("0.2"), Ok(200_000_000_000_000_000));
        assert!(parse_ether("0.0000000000000000001").is_err());
        for (text, wei) in [
            ("2", 2_000_000_000),
            ("0.05", 50_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(parse_gwei(text), Ok(wei));
            assert_eq!(gwei(wei), text);
        }
        for bad in [
            "",
            ".",
            ".5",
            "-1",
            "1e9",
            "1.0000000001",
            "1,5",
            "9".repeat(40).as_str(),
        ] {
            assert!(parse_gwei(bad).is_err(), "{bad}");
        }
    }
}
