//! Pictures to the planar float tensors that networks take.

use super::{ColourOrder, ModelEntry};
use crate::sample::picture::Picture;

/// How 8-bit values become floats.
#[derive(Debug, Clone, Copy)]
pub struct Normalisation {
    /// Order of the planes.
    pub colour: ColourOrder,
    /// Subtracted first.
    pub mean: f32,
    /// Multiplied after that.
    pub scale: f32,
}

impl ModelEntry {
    /// How pictures become this model's input.
    #[must_use]
    pub fn normalisation(&self) -> Normalisation {
        Normalisation {
            colour: self.colour,
            mean: self.mean,
            scale: self.scale,
        }
    }
}

/// Writes `picture` into the top left corner of three planes of `width × height`, and 0 elsewhere.
///
/// `planes` is resized to `3 × width × height` and keeps its allocation from call to call. Sides
/// smaller than the picture's cut it off.
pub fn write_planes(
    picture: &Picture,
    width: usize,
    height: usize,
    normalisation: Normalisation,
    planes: &mut Vec<f32>,
) {
    let plane = width * height;
    planes.resize(3 * plane, 0.0);
    let (first, rest) = planes.split_at_mut(plane);
    let (second, third) = rest.split_at_mut(plane);
    let (red, green, blue) = match normalisation.colour {
        ColourOrder::Rgb => (first, second, third),
        ColourOrder::Bgr => (third, second, first),
    };
    let Normalisation { mean, scale, .. } = normalisation;
    let rows = picture.rgb().chunks_exact(picture.width() as usize * 3);
    let rows = rows.chain(std::iter::repeat(&[][..]));
    let targets = red
        .chunks_exact_mut(width)
        .zip(green.chunks_exact_mut(width))
        .zip(blue.chunks_exact_mut(width));
    for (row, ((red, green), blue)) in rows.zip(targets) {
        let pixels = row.as_chunks::<3>().0;
        let cells = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
        for ([r, g, b], ((red, green), blue)) in pixels.iter().zip(cells) {
            *red = (f32::from(*r) - mean) * scale;
            *green = (f32::from(*g) - mean) * scale;
            *blue = (f32::from(*b) - mean) * scale;
        }
        for plane in [red, green, blue] {
            if let Some(beside) = plane.get_mut(pixels.len()..) {
                beside.fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_ordered_normalised_and_padded() {
        let picture = Picture::new(1, 2, vec![10, 20, 30, 40, 50, 60]).expect("sizes agree");
        let mut planes = Vec::new();
        let mut normalisation = Normalisation {
            colour: ColourOrder::Rgb,
            mean: 10.0,
            scale: 0.5,
        };
        write_planes(&picture, 2, 2, normalisation, &mut planes);
        assert_eq!(planes, [0., 0., 15., 0., 5., 0., 20., 0., 10., 0., 25., 0.]);
        normalisation.colour = ColourOrder::Bgr;
        planes.fill(7.0);
        write_planes(&picture, 2, 3, normalisation, &mut planes);
        let padded = [
            10., 0., 25., 0., 0., 0., 5., 0., 20., 0., 0., 0., 0., 0., 15., 0., 0., 0.,
        ];
        assert_eq!(planes, padded);
        write_planes(&picture, 1, 2, normalisation, &mut planes);
        assert_eq!(planes, [10., 25., 5., 20., 0., 15.]);
    }
}
