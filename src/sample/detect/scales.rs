//! A picture, and itself at half the size when several passes shrink it.

use crate::sample::picture::{Picture, PixelError};

/// Longer side, pixels, from which every pass shrinks a picture to less than half.
const LARGE: u32 = 1280;

/// What the passes look at.
pub struct Scales<'a> {
    /// As received.
    pub full: &'a Picture,
    /// Shrinking begins with halving (see [`Picture::resized`]): for a large picture that is the
    /// costly part, and it is the same for all passes.
    half: Option<Picture>,
}

impl<'a> Scales<'a> {
    /// The scales of `full`.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn of(full: &'a Picture) -> Result<Self, PixelError> {
        let (width, height) = (full.width(), full.height());
        let halves = width.is_multiple_of(2) && height.is_multiple_of(2);
        let half = (halves && full.longer_side() >= LARGE)
            .then(|| full.resized(width / 2, height / 2))
            .transpose()?;
        Ok(Self { full, half })
    }

    /// The picture at the given size.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn resized(&self, width: u32, height: u32) -> Result<Picture, PixelError> {
        match &self.half {
            Some(half) if width <= half.width() && height <= half.height() => {
                half.resized(width, height)
            }
            _ => self.full.resized(width, height),
        }
    }

    /// A window of the picture, as [`Picture::window`].
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn window(
        &self,
        (left, top): (i32, i32),
        reach: u32,
        side: u32,
        border: u8,
    ) -> Result<Picture, PixelError> {
        let is_even = left % 2 == 0 && top % 2 == 0 && reach.is_multiple_of(2);
        match &self.half {
            Some(half) if is_even && reach / 2 >= side => {
                half.window((left / 2, top / 2), reach / 2, side, border)
            }
            _ => self.full.window((left, top), reach, side, border),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_sees_the_same_pixels_whether_the_picture_was_halved_before_or_not() {
        let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels = (0..1280 * 960 * 3).map(noise).collect();
        let picture = Picture::new(1280, 960, pixels).expect("sizes agree");
        let scales = Scales::of(&picture).expect("halves");
        assert!(scales.half.is_some());
        for (width, height) in [(192, 144), (320, 240), (640, 480), (800, 600)] {
            let direct = picture.resized(width, height).expect("resizes");
            assert_eq!(scales.resized(width, height).expect("resizes"), direct);
        }
        for (corner, reach) in [
            ((100, 60), 512),
            ((101, 60), 512),
            ((-20, 8), 512),
            ((8, 8), 200),
        ] {
            let direct = picture.window(corner, reach, 128, 9).expect("works");
            let seen = scales.window(corner, reach, 128, 9).expect("works");
            let worst = direct
                .rgb()
                .iter()
                .zip(seen.rgb())
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            // Outside, the one warps and the other averages first.
            assert!(
                corner.0 < 0 || worst <= Some(1),
                "{corner:?} {reach}: {worst:?}"
            );
        }
    }

    #[test]
    fn small_and_odd_pictures_have_one_scale() {
        for (width, height) in [(1278, 960), (1281, 960), (1280, 961), (1, 1)] {
            let picture = Picture::filled(width, height, [1, 2, 3]);
            let scales = Scales::of(&picture).expect("works");
            assert!(scales.half.is_none());
            assert_eq!(scales.resized(1, 1).expect("resizes").rgb(), [1, 2, 3]);
        }
    }
}
