//! Wall time, CPU time and peak memory of this process.

use std::time::Instant;

use serde_json::{json, Map, Value};

/// Medians of several runs.
pub struct Measured {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

/// Runs `work` once if it takes five seconds or more, else at least three times.
pub fn measure<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(Measured, T)> {
    let mut measured = Measured {
        wall: Vec::new(),
        cpu: Vec::new(),
    };
    loop {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let result = work()?;
        measured.wall.push(start.elapsed().as_secs_f64());
        measured.cpu.push(cpu_seconds() - cpu);
        let spent: f64 = measured.wall.iter().sum();
        let short = measured.wall[0] < 5.0;
        if !short || (measured.wall.len() >= 3 && (measured.wall.len() >= 9 || spent > 5.0)) {
            return Ok((measured, result));
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Measured {
    /// The case's line: name and times, then `more`.
    pub fn line(&self, case: &str, more: Value) -> Value {
        let round = |value: f64| (value * 1e5).round() / 1e5;
        let mut line = Map::new();
        line.insert("case".into(), json!(case));
        line.insert("wall_s".into(), json!(round(median(&self.wall))));
        line.insert("cpu_s".into(), json!(round(median(&self.cpu))));
        line.insert("runs".into(), json!(self.wall.len()));
        line.insert("peak_rss_mb".into(), json!(peak_rss_mb()));
        if let Value::Object(more) = more {
            line.extend(more);
        }
        Value::Object(line)
    }
}

/// User and system seconds of this process; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    // Clock ticks are hundredths of a second on every Linux that Rust supports.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<f64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    fields.iter().sum::<f64>() / TICKS
}

/// Peak resident memory in megabytes, if the system tells.
fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1000)
}
