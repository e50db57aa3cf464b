//! Pictures to the float tensors that networks take.

use super::{ColourOrder, InputLayout, ModelEntry};
use crate::sample::picture::Picture;

/// How 8-bit values become floats.
#[derive(Debug, Clone, Copy)]
pub struct Normalisation {
    /// Where the colours stand.
    pub layout: InputLayout,
    /// Order of the colours.
    pub colour: ColourOrder,
    /// Subtracted first; in the order of the colours.
    pub mean: [f32; 3],
    /// Multiplied after that; in the order of the colours.
    pub scale: [f32; 3],
}

impl ModelEntry {
    /// How pictures become this model's input.
    #[must_use]
    pub fn normalisation(&self) -> Normalisation {
        Normalisation {
            // An entry that was read has a layout.
            layout: self.layout().unwrap_or(InputLayout::Planes),
            colour: self.colour,
            mean: self.mean.numbers(),
            scale: self.scale.numbers(),
        }
    }
}

/// One colour's mean and scale.
#[derive(Clone, Copy)]
struct Affine(f32, f32);

impl Affine {
    #[inline]
    fn of(self, value: u8) -> f32 {
        (f32::from(value) - self.0) * self.1
    }
}

impl Normalisation {
    /// Those of the first, the second and the third colour.
    fn affine(&self) -> [Affine; 3] {
        let [first, second, third] = self.mean;
        let [first_scale, second_scale, third_scale] = self.scale;
        [
            Affine(first, first_scale),
            Affine(second, second_scale),
            Affine(third, third_scale),
        ]
    }
}

/// Writes `picture` into the top left corner of `width × height` places as the network takes them,
/// and 0 elsewhere.
///
/// `numbers` is resized to `3 × width × height` and keeps its allocation from call to call. Sides
/// smaller than the picture's cut it off.
pub fn write_input(
    picture: &Picture,
    width: usize,
    height: usize,
    normalisation: Normalisation,
    numbers: &mut Vec<f32>,
) {
    numbers.resize(3 * width * height, 0.0);
    match normalisation.layout {
        InputLayout::FloatPixels => write_pixels(picture, width, normalisation, numbers),
        InputLayout::Planes | InputLayout::Pixels => {
            write_planes(picture, width, normalisation, numbers);
        }
    }
}

/// The rows of a picture, and then empty ones.
fn rows(picture: &Picture) -> impl Iterator<Item = &[u8]> {
    let rows = picture.rgb().chunks_exact(picture.width() as usize * 3);
    rows.chain(std::iter::repeat(&[][..]))
}

fn write_planes(picture: &Picture, width: usize, normalisation: Normalisation, planes: &mut [f32]) {
    let plane = planes.len() / 3;
    let (first, rest) = planes.split_at_mut(plane);
    let (second, third) = rest.split_at_mut(plane);
    let [one, two, three] = normalisation.affine();
    let ((red, of_red), (green, of_green), (blue, of_blue)) = match normalisation.colour {
        ColourOrder::Rgb => ((first, one), (second, two), (third, three)),
        ColourOrder::Bgr => ((third, three), (second, two), (first, one)),
    };
    let targets = red
        .chunks_exact_mut(width)
        .zip(green.chunks_exact_mut(width))
        .zip(blue.chunks_exact_mut(width));
    for (row, ((red, green), blue)) in rows(picture).zip(targets) {
        let pixels = row.as_chunks::<3>().0;
        let cells = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
        for ([r, g, b], ((red, green), blue)) in pixels.iter().zip(cells) {
            *red = of_red.of(*r);
            *green = of_green.of(*g);
            *blue = of_blue.of(*b);
        }
        for plane in [red, green, blue] {
            if let Some(beside) = plane.get_mut(pixels.len()..) {
                beside.fill(0.0);
            }
        }
    }
}

fn write_pixels(
    picture: &Picture,
    width: usize,
    normalisation: Normalisation,
    numbers: &mut [f32],
) {
    let [one, two, three] = normalisation.affine();
    let is_bgr = normalisation.colour == ColourOrder::Bgr;
    for (row, target) in rows(picture).zip(numbers.chunks_exact_mut(3 * width)) {
        let pixels = row.as_chunks::<3>().0;
        for ([r, g, b], cell) in pixels.iter().zip(target.as_chunks_mut::<3>().0) {
            let [first, last] = if is_bgr { [b, r] } else { [r, b] };
            *cell = [one.of(*first), two.of(*g), three.of(*last)];
        }
        if let Some(beside) = target.get_mut(row.len()..) {
            beside.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture::new(1, 2, vec![10, 20, 30, 40, 50, 60]).expect("sizes agree")
    }

    fn each_its_own(layout: InputLayout) -> Normalisation {
        Normalisation {
            layout,
            colour: ColourOrder::Rgb,
            mean: [10.0, 20.0, 0.0],
            scale: [1.0, 0.5, 0.1],
        }
    }

    #[test]
    fn planes_are_ordered_normalised_and_padded() {
        let picture = picture();
        let mut planes = Vec::new();
        let mut normalisation = Normalisation {
            layout: InputLayout::Planes,
            colour: ColourOrder::Rgb,
            mean: [10.0; 3],
            scale: [0.5; 3],
        };
        write_input(&picture, 2, 2, normalisation, &mut planes);
        assert_eq!(planes, [0., 0., 15., 0., 5., 0., 20., 0., 10., 0., 25., 0.]);
        normalisation.colour = ColourOrder::Bgr;
        planes.fill(7.0);
        write_input(&picture, 2, 3, normalisation, &mut planes);
        let padded = [
            10., 0., 25., 0., 0., 0., 5., 0., 20., 0., 0., 0., 0., 0., 15., 0., 0., 0.,
        ];
        assert_eq!(planes, padded);
        write_input(&picture, 1, 2, normalisation, &mut planes);
        assert_eq!(planes, [10., 25., 5., 20., 0., 15.]);
    }

    #[test]
    fn each_colour_has_its_own_mean_and_scale_in_the_order_of_the_network() {
        let picture = picture();
        let mut numbers = Vec::new();
        let mut normalisation = each_its_own(InputLayout::Planes);
        write_input(&picture, 1, 2, normalisation, &mut numbers);
        assert_eq!(numbers, [0., 30., 0., 15., 3., 6.]);
        normalisation.colour = ColourOrder::Bgr;
        write_input(&picture, 1, 2, normalisation, &mut numbers);
        assert_eq!(numbers, [20., 50., 0., 15., 1., 4.]);
    }

    #[test]
    fn pixels_of_floats_are_ordered_normalised_and_padded() {
        let picture = picture();
        let mut numbers = vec![7.0; 12];
        let mut normalisation = each_its_own(InputLayout::FloatPixels);
        write_input(&picture, 1, 2, normalisation, &mut numbers);
        assert_eq!(numbers, [0., 0., 3., 30., 15., 6.]);
        normalisation.colour = ColourOrder::Bgr;
        numbers.fill(7.0);
        write_input(&picture, 2, 3, normalisation, &mut numbers);
        let padded = [
            20., 0., 1., 0., 0., 0., 50., 15., 4., 0., 0., 0., 0., 0., 0., 0., 0., 0.,
        ];
        assert_eq!(numbers, padded);
    }
}
