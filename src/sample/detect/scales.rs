//! A picture, and itself at half the size when several passes shrink it.

use crate::sample::picture::{Picture, PixelError, Window};

/// Longer side, pixels, from which every pass shrinks a picture to half or less.
const LARGE: u32 = 1280;

/// What the passes look at.
pub struct Scales<'a> {
    /// As received.
    pub full: &'a Picture,
    /// Shrinking begins with halving (see [`Picture::resized`]): for a large picture that is the
    /// costly part, and it is the same for all passes.
    half: Option<&'a Picture>,
}

impl<'a> Scales<'a> {
    /// The scales of `full`; `half` is the buffer for the halved picture.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn of(full: &'a Picture, half: &'a mut Picture) -> Result<Self, PixelError> {
        let (width, height) = (full.width(), full.height());
        let halves = width.is_multiple_of(2) && height.is_multiple_of(2);
        if !halves || full.longer_side() < LARGE {
            return Ok(Self::one(full));
        }
        full.halve_into(half)?;
        let half = Some(&*half);
        Ok(Self { full, half })
    }

    /// `full` alone.
    pub fn one(full: &'a Picture) -> Self {
        Self { full, half: None }
    }

    /// Puts the picture at the given size into `target`, as [`Picture::resize_into`].
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn resize_into(
        &self,
        size: (u32, u32),
        target: &mut Picture,
        step: &mut Picture,
    ) -> Result<(), PixelError> {
        let source = match self.half {
            Some(half) if size.0 <= half.width() && size.1 <= half.height() => half,
            _ => self.full,
        };
        source.resize_into(size, target, step)
    }

    /// Puts a window of the picture into `target`, as [`Picture::window_into`].
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn window_into(
        &self,
        window: Window,
        target: &mut Picture,
        step: &mut Picture,
    ) -> Result<(), PixelError> {
        let Window {
            left, top, reach, ..
        } = window;
        let is_even = left % 2 == 0 && top % 2 == 0 && reach.is_multiple_of(2);
        match self.half {
            Some(half) if is_even && reach / 2 >= window.side => {
                let window = Window {
                    left: left / 2,
                    top: top / 2,
                    reach: reach / 2,
                    ..window
                };
                half.window_into(window, target, step)
            }
            _ => self.full.window_into(window, target, step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers() -> (Picture, Picture, Picture) {
        Default::default()
    }

    #[test]
    fn a_pass_sees_the_same_pixels_whether_the_picture_was_halved_before_or_not() {
        let noise = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels = (0..1280 * 960 * 3).map(noise).collect();
        let picture = Picture::new(1280, 960, pixels).expect("sizes agree");
        let (mut half, mut seen, mut step) = buffers();
        let scales = Scales::of(&picture, &mut half).expect("halves");
        assert!(scales.half.is_some());
        for (width, height) in [(192, 144), (320, 240), (640, 480), (800, 600)] {
            let direct = picture.resized(width, height).expect("resizes");
            let done = scales.resize_into((width, height), &mut seen, &mut step);
            done.expect("resizes");
            assert_eq!(seen, direct);
        }
        let mut direct = Picture::default();
        for ((left, top), reach) in [((100, 60), 512), ((101, 60), 512), ((8, 8), 200)] {
            let window = Window {
                left,
                top,
                reach,
                side: 128,
                border: 9,
            };
            let done = picture.window_into(window, &mut direct, &mut step);
            done.expect("works");
            let done = scales.window_into(window, &mut seen, &mut step);
            done.expect("works");
            let worst = direct
                .rgb()
                .iter()
                .zip(seen.rgb())
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(worst <= Some(1), "{left} {top} {reach}: {worst:?}");
        }
    }

    #[test]
    fn a_window_across_the_edge_shows_every_place_where_one_inside_does() {
        // A grey level for each column in one channel, for each row in the next.
        let level = |n: u32| match n % 3 {
            0 => n / 3 % 240,
            _ => n / 3 / 240,
        };
        let pixels = (0..240 * 200 * 3).map(|n| level(n) as u8).collect();
        let picture = Picture::new(240, 200, pixels).expect("sizes agree");
        let (_, mut seen, mut step) = buffers();
        for (left, top) in [(16, 8), (-40, 8), (16, -40), (150, 100)] {
            let window = Window {
                left,
                top,
                reach: 128,
                side: 16,
                border: 0,
            };
            let done = picture.window_into(window, &mut seen, &mut step);
            done.expect("works");
            // In the picture in each of them, and not at its edge.
            let middle = 8;
            let at = (middle * 16 + middle) * 3;
            // The centre of this pixel of the window: eight of the picture lie in it.
            let place = 8.0 * (middle as f32 + 0.5) - 0.5;
            for (shown, start) in seen.rgb()[at..at + 2].iter().zip([left, top]) {
                let expected = start as f32 + place;
                let off = (f32::from(*shown) - expected).abs();
                assert!(off <= 1.0, "{left} {top}: {shown} for {expected}");
            }
        }
    }

    #[test]
    fn small_and_odd_pictures_have_one_scale() {
        for (width, height) in [(1278, 960), (1281, 960), (1280, 961), (1, 1)] {
            let picture = Picture::filled(width, height, [1, 2, 3]);
            let (mut half, mut seen, mut step) = buffers();
            let scales = Scales::of(&picture, &mut half).expect("works");
            assert!(scales.half.is_none());
            let done = scales.resize_into((1, 1), &mut seen, &mut step);
            done.expect("resizes");
            assert_eq!(seen.rgb(), [1, 2, 3]);
        }
    }
}
