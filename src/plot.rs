//! A bar chart as SVG.

use std::fmt::Write;

const ROW: usize = 22;
const LABELS: usize = 240;
const BARS: usize = 480;

/// What the title of a plot of `zkml calibrate` begins with.
pub const TITLE: &str = "Root mean square error of each layer";

/// One bar for each named value, on a scale from zero to the largest.
pub fn bars(title: &str, rows: &[(String, f64)]) -> String {
    let largest = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let (width, height) = (LABELS + BARS + 110, (rows.len() + 2) * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"16\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (i, (name, value)) in rows.iter().enumerate() {
        let y = (i + 1) * ROW;
        let length = if largest > 0.0 { value / largest } else { 0.0 } * BARS as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"#4a78b5\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value:.6}</text>",
            LABELS - 8,
            y + 15,
            escaped(name),
            y + 4,
            ROW - 8,
            LABELS as f64 + length + 6.0,
            y + 15,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_bars_scaled() {
        let rows = [("a<b".to_owned(), 1.0), ("c".to_owned(), 0.25)];
        let svg = bars("t & t", &rows);
        assert!(svg.contains("a&lt;b") && svg.contains("t &amp; t"));
        assert!(svg.contains("width=\"480.0\"") && svg.contains("width=\"120.0\""));
    }
}
