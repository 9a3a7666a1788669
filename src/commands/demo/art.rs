//! Images as text.

/// From no ink to full ink.
const INK: &[u8] = b" .:-=+*#%@";

/// An image as text, two rows of pixels to a line.
pub fn art(pixels: &[i64], width: usize, scale: i64) -> Vec<String> {
    let ink = |top: i64, bottom: i64| {
        let part = (top + bottom) as f64 / (2 * scale) as f64;
        let step = (part * INK.len() as f64).clamp(0.0, (INK.len() - 1) as f64);
        INK.get(step as usize).map_or(' ', |byte| char::from(*byte))
    };
    let rows: Vec<&[i64]> = pixels.chunks(width.max(1)).collect();
    let line = |pair: &[&[i64]]| {
        let (top, bottom) = match pair {
            [top, bottom] => (*top, *bottom),
            [top] => (*top, *top),
            _ => (&[][..], &[][..]),
        };
        let text: String = top.iter().zip(bottom).map(|(a, b)| ink(*a, *b)).collect();
        text.trim_end().to_owned()
    };
    rows.chunks(2).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_is_drawn() {
        assert_eq!(art(&[0, 512, 0, 512, 256, 0], 2, 512), [" @", "+"]);
        assert!(art(&[], 28, 512).is_empty());
    }
}
