//! How much memory there is, so that work that cannot fit is refused before it starts.

/// Bytes that can be allocated without pushing others out, where the system tells: on Linux.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    Some(kilobytes(&text, "MemAvailable:")? * 1024)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_kernel_is_read() {
        let text = "MemTotal:  24 kB\nMemAvailable:   17 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(17));
        assert_eq!(kilobytes("MemTotal: 24 kB", "MemAvailable:"), None);
    }
}
