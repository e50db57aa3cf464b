//! Light and sharpness of the aligned face, and the light around it.

use crate::sample::geometry::{Point, Rect};
use crate::sample::picture::Picture;

/// Measures of the aligned face's luminance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Mean, 0 to 255.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Share of pixels above 247.
    pub share_bright: f64,
    /// Share of pixels below 8.
    pub share_dark: f64,
    /// Variance of the Laplacian over variance: edge energy that does not depend on the light.
    /// `None` for a flat face, which has no edges to be sharp.
    pub sharpness: Option<f64>,
}

const BRIGHT: u8 = 247;
const DARK: u8 = 8;

/// Measures the pixels of `luminance`, rows of `width`, that are `inside` the picture.
pub fn measure(luminance: &[u8], inside: &[bool], width: usize) -> Light {
    let seen = || {
        let pixels = luminance.iter().zip(inside);
        pixels
            .filter(|(_, inside)| **inside)
            .map(|(value, _)| *value)
    };
    let count = to_f64(seen().count().max(1));
    let share = |test: fn(&u8) -> bool| to_f64(seen().filter(test).count()) / count;
    let (mean, variance) = moments(seen().map(f64::from));
    let (_, edges) = moments(laplacian(luminance, inside, width));
    Light {
        mean,
        deviation: variance.sqrt(),
        share_bright: share(|value| *value > BRIGHT),
        share_dark: share(|value| *value < DARK),
        sharpness: (variance > 1.0).then(|| edges / variance),
    }
}

/// Share of `true`, 0 to 1.
pub fn share(flags: &[bool]) -> f64 {
    to_f64(flags.iter().filter(|flag| **flag).count()) / to_f64(flags.len().max(1))
}

/// The four-neighbour Laplacian wherever it does not touch what is outside.
fn laplacian<'a>(
    luminance: &'a [u8],
    inside: &'a [bool],
    width: usize,
) -> impl Iterator<Item = f64> + 'a {
    let at = |n: usize| {
        let is_inside = inside.get(n).copied().unwrap_or(false);
        luminance
            .get(n)
            .filter(|_| is_inside)
            .map(|value| f64::from(*value))
    };
    let rows = 1..(luminance.len() / width.max(1)).saturating_sub(1);
    let columns = 1..width.saturating_sub(1);
    let inner = rows.flat_map(move |row| columns.clone().map(move |column| row * width + column));
    inner.filter_map(move |n| {
        Some(at(n - 1)? + at(n + 1)? + at(n - width)? + at(n + width)? - 4.0 * at(n)?)
    })
}

/// Mean and variance; zero for nothing.
fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    if count == 0.0 {
        return (0.0, 0.0);
    }
    let mean = sum / count;
    (mean, (squares / count - mean * mean).max(0.0))
}

/// The ring around a face reaches to this many times its box.
const RING_FACTOR: f32 = 1.6;

/// Points of the grid on which the ring is sampled, a side.
const RING_POINTS: u16 = 48;

/// With fewer points than this share inside the picture, the surroundings say nothing.
const RING_SHARE_MIN: f64 = 0.2;

/// Mean luminance of the ring around a face's box; `None` when too little of it is in the picture.
pub fn surroundings(picture: &Picture, face: Rect) -> Option<f64> {
    let ring = face.scaled(RING_FACTOR);
    let step = |n: u16| (f32::from(n) + 0.5) / f32::from(RING_POINTS);
    let points = (0..RING_POINTS).flat_map(|row| (0..RING_POINTS).map(move |column| (column, row)));
    let (mut possible, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for (column, row) in points {
        let point = Point::new(
            ring.x + ring.width * step(column),
            ring.y + ring.height * step(row),
        );
        if face.contains(point) {
            continue;
        }
        possible += 1.0;
        if let Some(luminance) = luminance_at(picture, point) {
            seen += 1.0;
            sum += luminance;
        }
    }
    (seen > possible * RING_SHARE_MIN).then(|| sum / seen)
}

/// Luminance (ITU-R BT.601) of the pixel at `point`, if it lies in the picture.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked against 0 before, against the size after; the cast saturates"
)]
fn luminance_at(picture: &Picture, point: Point) -> Option<f64> {
    if !(point.x >= 0.0 && point.y >= 0.0) {
        return None;
    }
    let (x, y, width) = (point.x as usize, point.y as usize, picture.width() as usize);
    if x >= width {
        return None;
    }
    let start = y.checked_mul(width)?.checked_add(x)?.checked_mul(3)?;
    let [red, green, blue] = *picture.rgb().get(start..)?.first_chunk::<3>()?;
    Some(0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of pixels are far below 2^52"
)]
fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_face_has_light_but_no_sharpness() {
        let light = measure(&[200; 112 * 112], &[true; 112 * 112], 112);
        assert!((light.mean - 200.0).abs() < 1e-9 && light.deviation < 1e-6);
        assert_eq!(light.sharpness, None);
        assert!(light.share_bright == 0.0 && light.share_dark == 0.0);
    }

    #[test]
    fn shares_count_pixels_beyond_the_ends() {
        let light = measure(&[0, 7, 8, 247, 248, 255, 100, 100], &[true; 8], 4);
        assert!((light.share_dark - 0.25).abs() < 1e-9);
        assert!((light.share_bright - 0.25).abs() < 1e-9);
    }

    #[test]
    fn finer_edges_are_sharper_and_light_does_not_matter() {
        let stripes = |period: usize, low: u8, high: u8| -> f64 {
            let value = |n: usize| {
                if (n % 112 / period).is_multiple_of(2) {
                    low
                } else {
                    high
                }
            };
            let pixels: Vec<u8> = (0..112 * 112).map(value).collect();
            measure(&pixels, &[true; 112 * 112], 112)
                .sharpness
                .expect("not flat")
        };
        assert!(stripes(2, 0, 200) > 2.0 * stripes(8, 0, 200));
        assert!((stripes(4, 0, 200) - stripes(4, 50, 100)).abs() < 1e-6);
    }

    #[test]
    fn the_laplacian_is_that_of_the_definition() {
        let luminance = [1, 2, 3, 4, 9, 6, 7, 8, 5];
        let values: Vec<f64> = laplacian(&luminance, &[true; 9], 3).collect();
        assert_eq!(values, [2.0 + 4.0 + 6.0 + 8.0 - 36.0]);
    }

    #[test]
    fn what_is_outside_the_picture_does_not_count() {
        let mut luminance = [100; 112 * 112];
        let mut inside = [true; 112 * 112];
        luminance[112 * 60..].fill(0);
        inside[112 * 60..].fill(false);
        let light = measure(&luminance, &inside, 112);
        assert!((light.mean - 100.0).abs() < 1e-9 && light.share_dark == 0.0);
        assert_eq!(light.sharpness, None, "the edge to the filling is no edge");
    }

    #[test]
    fn surroundings_are_measured_around_the_face_only() {
        let mut pixels = vec![200_u8; 100 * 100 * 3];
        for row in 30..70 {
            pixels[(row * 100 + 30) * 3..(row * 100 + 70) * 3].fill(20);
        }
        let picture = Picture::new(100, 100, pixels).expect("sizes agree");
        let face = |x: f32, side: f32| Rect {
            x,
            y: x,
            width: side,
            height: side,
        };
        let around = surroundings(&picture, face(30.0, 40.0)).expect("inside");
        assert!((around - 200.0).abs() < 1.0, "{around}");
        // A face that fills the picture and more has no surroundings in it.
        assert_eq!(surroundings(&picture, face(-10.0, 120.0)), None);
    }
}
