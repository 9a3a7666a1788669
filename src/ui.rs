//! Printing: results on stdout, progress and notes on stderr.

use crate::args::Global;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::Value;
use std::{
    cell::Cell,
    fmt::Display,
    io::{self, BufRead, IsTerminal, Write},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const TICK: Duration = Duration::from_millis(100);
const BAR_CELLS: usize = 24;

/// Where output goes.
pub struct Ui {
    json: bool,
    quiet: bool,
    bars: bool,
    closed: Cell<bool>,
}

/// Something done, with the time that it took.
pub struct Timed<T> {
    /// The result.
    pub value: T,
    /// The time.
    pub seconds: f64,
}

impl Ui {
    /// Output as the global options ask for it.
    pub fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            bars: !global.quiet && io::stderr().is_terminal(),
            closed: Cell::new(false),
        }
    }

    /// A line of the result; with `--json` there are none.
    pub fn say(&self, line: impl Display) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        self.write(line)
    }

    /// The result as an object, with `--json` only.
    pub fn object(&self, value: &Value) -> anyhow::Result<()> {
        if self.json {
            self.write(value)
        } else {
            Ok(())
        }
    }

    fn write(&self, line: impl Display) -> anyhow::Result<()> {
        if self.closed.get() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            // Whoever read has read enough (`| head`). The work goes on: it may write files, and
            // the exit code must say how it ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed.set(true),
            Err(error) => return Err(anyhow::Error::new(error).context("cannot write to stdout")),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Whether nobody reads stdout any more.
    pub fn closed(&self) -> bool {
        self.closed.get()
    }

    /// A remark on stderr.
    pub fn note(&self, line: impl Display) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// A line that must be seen before something is done: on stdout, or on stderr with `--json`.
    pub fn show(&self, line: impl Display) -> anyhow::Result<()> {
        if self.json {
            self.note(line);
            return Ok(());
        }
        self.write(line)
    }

    /// Asks a question on stderr; the answer is a line of stdin.
    pub fn ask(&self, question: &str) -> anyhow::Result<String> {
        if !io::stdin().is_terminal() {
            anyhow::bail!(
                "not confirmed, for there is no terminal to ask on; give --yes to do it unasked"
            );
        }
        let mut err = io::stderr().lock();
        write!(err, "{question}").and_then(|()| err.flush())?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer)
    }

    /// Asks for a secret on the terminal, where it does not show.
    pub fn secret(&self, question: &str) -> anyhow::Result<Zeroizing<String>> {
        let terminal = console::Term::stderr();
        if !terminal.is_term() {
            anyhow::bail!("there is no terminal to ask for a secret on");
        }
        terminal.write_str(question)?;
        let answer = terminal.read_secure_line().map(Zeroizing::new);
        answer.context("cannot read from the terminal")
    }

    /// An error and its causes on stderr.
    pub fn error(&self, lines: &[String]) {
        let mut err = io::stderr().lock();
        for (i, line) in lines.iter().enumerate() {
            let head = if i == 0 { "error" } else { "  because" };
            let _ = writeln!(err, "{head}: {line}");
        }
    }

    /// Does long work under a spinner, or under a bar where its duration is foreseen.
    pub fn stage<T>(
        &self,
        name: &str,
        estimate: Option<f64>,
        work: impl FnOnce() -> T,
    ) -> Timed<T> {
        self.stages(name, estimate, |_| work())
    }

    /// Like [`Ui::stage`], for work that says which part of it is under way.
    pub fn stages<T>(
        &self,
        name: &str,
        estimate: Option<f64>,
        work: impl FnOnce(&dyn Fn(&str)) -> T,
    ) -> Timed<T> {
        tracing::info!("{name}");
        let bar = self.spinner(name, estimate);
        let start = Instant::now();
        let value = work(&|part| {
            tracing::info!("{name}: {part}");
            bar.set_message(format!("{name}: {part}"));
        });
        let seconds = start.elapsed().as_secs_f64();
        bar.finish_and_clear();
        tracing::info!("{name}: done in {seconds:.2} s");
        Timed { value, seconds }
    }

    fn spinner(&self, name: &str, estimate: Option<f64>) -> ProgressBar {
        if !self.bars {
            return ProgressBar::hidden();
        }
        let part = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let elapsed = state.elapsed().as_secs_f64();
            let _ = match estimate {
                Some(total) if total >= 1.0 => out.write_str(&foreseen(elapsed, total)),
                _ => write!(out, "{elapsed:.0} s"),
            };
        };
        let style = ProgressStyle::with_template("{spinner} {msg} {part}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("part", part);
        let bar = ProgressBar::new_spinner()
            .with_style(style)
            .with_message(name.to_owned());
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A bar for counted work; it shows when the first count comes.
    pub fn counter(&self, name: &str) -> ProgressBar {
        if !self.bars {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("  {msg} [{bar:24}] {percent}% {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::no_length()
            .with_style(style)
            .with_message(name.to_owned())
    }
}

/// A bar that follows the clock. It stops short of full: an estimate is no promise.
fn foreseen(elapsed: f64, total: f64) -> String {
    let part = (elapsed / total).clamp(0.0, 0.99);
    let full = (part * BAR_CELLS as f64) as usize;
    let bar: String = (0..BAR_CELLS)
        .map(|cell| if cell < full { '#' } else { '-' })
        .collect();
    format!("[{bar}] {elapsed:.0} s of about {total:.0} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_never_fill_the_bar() {
        assert!(foreseen(0.0, 10.0).starts_with("[------------------------] 0 s of about 10 s"));
        assert!(foreseen(99.0, 10.0).starts_with("[#######################-] 99 s"));
    }
}
