//! Images: each pixel's channel is `value / 255`.

use super::error::{problem, Problem};
use super::numbers::Given;
use super::Wanted;
use crate::Layout;
use image::{DynamicImage, ImageFormat, ImageReader};
use std::io::Cursor;

/// Pixels in the order of the input tensor.
pub(super) fn parse(bytes: &[u8], wanted: &Wanted<'_>) -> Result<Given, Problem> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(1 << 14);
    limits.max_image_height = Some(1 << 14);
    limits.max_alloc = Some(256 << 20);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| problem("png", "an image", e))?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, pixels) = match image {
        DynamicImage::ImageLuma8(grey) => (1, grey.into_raw()),
        DynamicImage::ImageRgb8(colour) => (3, colour.into_raw()),
        other => {
            return Err(problem(
                "png",
                "8-bit grey or RGB without alpha",
                format!("{:?}", other.color()),
            ))
        }
    };
    let first = arrangement(wanted, [channels, height, width])?;
    let value = |byte: &u8| f64::from(*byte) / 255.0;
    let values = if first {
        let plane = |c: usize| pixels.iter().skip(c).step_by(channels).map(value);
        (0..channels).flat_map(plane).collect()
    } else {
        pixels.iter().map(value).collect()
    };
    let shape = wanted.tensor.shape.clone();
    Ok(Given { shape, values })
}

/// Whether the tensor has channels first; an error when the image does not fit it.
fn arrangement(wanted: &Wanted<'_>, [c, h, w]: [usize; 3]) -> Result<bool, Problem> {
    let (first, last) = ([c, h, w], [h, w, c]);
    let shape = wanted.tensor.shape.as_slice();
    let fits_first = shape == first;
    let fits_last = shape == last;
    let flat = c == 1 && (shape == [h, w] || shape == [h * w]);
    match (fits_first, fits_last, wanted.layout) {
        (true, true, layout) => Ok(layout != Some(Layout::ChannelsLast)),
        (true, false, _) => Ok(true),
        (false, true, _) => Ok(false),
        _ if flat => Ok(true),
        _ => {
            let place = format!("input '{}'", wanted.name);
            let expected = format!("an image for shape {shape:?}");
            Err(problem(
                place,
                expected,
                format!("{c} channels of {h} × {w} pixels"),
            ))
        }
    }
}
