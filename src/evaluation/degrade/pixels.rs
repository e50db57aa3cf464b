//! Operations on pixels that only degradations need.

use crate::sample::picture::{Picture, PixelError};

/// What a rotation leaves in the corners.
const CORNER: u8 = 128;

/// Degrees of the rotation, clockwise.
const ROTATION_DEGREES: f64 = 15.0;

/// Little light: exponent of the values, share of them that is left, and standard deviation of the
/// noise, of 255.
const DARK_EXPONENT: f32 = 1.4;
const DARK_SHARE: f32 = 0.35;
const NOISE: f32 = 5.0;

/// A picture of the same size, made pixel by pixel from its column, row and colour.
pub fn each(picture: &Picture, mut pixel: impl FnMut((f32, f32), [u8; 3]) -> [u8; 3]) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let mut rgb = picture.rgb().to_vec();
    let (pixels, _) = rgb.as_chunks_mut::<3>();
    let (mut x, mut y) = (0, 0);
    for colour in pixels {
        *colour = pixel((float(x), float(y)), *colour);
        x += 1;
        if x == width {
            (x, y) = (0, y + 1);
        }
    }
    Picture::new(width, height, rgb).unwrap_or_default()
}

/// The nearest value of a byte.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and in range; a cast saturates"
)]
pub fn to_byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
fn float(side: u32) -> f32 {
    side as f32
}

/// The luminance in all three channels.
pub fn grey(picture: &Picture) -> Result<Picture, PixelError> {
    let mut luminance = Vec::new();
    picture.luminance_into(&mut luminance)?;
    let rgb = luminance.iter().flat_map(|value| [*value; 3]).collect();
    Ok(Picture::new(picture.width(), picture.height(), rgb).unwrap_or_default())
}

/// Turned clockwise about its middle, in a picture of the same size.
pub fn rotated(picture: &Picture) -> Result<Picture, PixelError> {
    let (sine, cosine) = ROTATION_DEGREES.to_radians().sin_cos();
    let (width, height) = (picture.width(), picture.height());
    // Centres of pixels, half a pixel in.
    let middle = |side: u32| f64::from(side - 1) / 2.0;
    let (x, y) = (middle(width), middle(height));
    // With y downwards this turns clockwise.
    let matrix = [
        [cosine, -sine, x - cosine * x + sine * y],
        [sine, cosine, y - sine * x - cosine * y],
    ];
    let mut target = Picture::default();
    picture.warp_into(matrix, (width, height), CORNER, &mut target)?;
    Ok(target)
}

/// As a camera sees it with little light: darker, and with noise that hangs on `seed` alone.
pub fn dark(picture: &Picture, seed: [u8; 32]) -> Picture {
    let darker: Vec<f32> = (0..=u8::MAX)
        .map(|value| (f32::from(value) / 255.0).powf(DARK_EXPONENT) * DARK_SHARE * 255.0)
        .collect();
    let mut noise = Noise::new(seed);
    each(picture, |_, pixel| {
        pixel.map(|value| {
            let value = darker.get(usize::from(value)).copied().unwrap_or_default();
            to_byte(value + noise.next() * NOISE)
        })
    })
}

/// Numbers with mean 0 and standard deviation 1, nearly normal.
struct Noise(u64);

impl Noise {
    fn new(seed: [u8; 32]) -> Self {
        let [first, ..] = seed.as_chunks::<8>().0 else {
            return Self(0);
        };
        Self(u64::from_le_bytes(*first))
    }

    /// The sum of the four quarters of a number of splitmix64 (Steele, Lea and Flood, 2014),
    /// written out here since `rand` promises no sequence that stays.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bytes = mixed.to_le_bytes();
        let (parts, _) = bytes.as_chunks::<2>();
        let sum: f32 = parts
            .iter()
            .map(|part| f32::from(u16::from_le_bytes(*part)) / 65535.0)
            .sum();
        // Four numbers between 0 and 1 have mean 2 and variance 4/12 together.
        (sum - 2.0) * 3.0_f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_0_and_deviation_1() {
        let mut noise = Noise::new([7; 32]);
        let numbers: Vec<f64> = (0..100_000).map(|_| f64::from(noise.next())).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn a_rotation_is_clockwise_and_about_the_middle() {
        let mut rgb = vec![0; 41 * 41 * 3];
        // One white pixel in the middle, one at the top.
        for (x, y) in [(20, 20), (20, 4)] {
            let at = (y * 41 + x) * 3;
            rgb[at..at + 3].fill(255);
        }
        let picture = Picture::new(41, 41, rgb).expect("fits");
        let turned = rotated(&picture).expect("turns");
        let value = |x: usize, y: usize| turned.rgb()[(y * 41 + x) * 3];
        assert_eq!(value(20, 20), 255);
        // 16 pixels up, turned by 15°: 4.1 to the right, 15.5 up.
        assert!(value(24, 4) + value(24, 5) > 100);
        assert_eq!(value(16, 4), 0);
        assert_eq!(value(0, 0), CORNER);
    }

    #[test]
    fn grey_is_luminance() {
        let red = Picture::filled(2, 2, [255, 0, 0]);
        // 0.299 of 255.
        assert_eq!(grey(&red).expect("works").rgb(), [76; 12]);
    }
}
