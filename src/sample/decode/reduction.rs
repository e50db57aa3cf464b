//! How much smaller than the sample a picture was decoded, and what that does to coordinates.

use crate::sample::geometry::{Face, Landmarks, Point, Rect};
use crate::sample::picture::Picture;

/// A picture's longer side keeps at least so many pixels: one and a half times the finest pass of
/// detection, so every pass shrinks the picture still, and sees what it sees in the whole one.
const LONGER_SIDE_MIN: u32 = 960;

/// Pixels from which a reduction is tried, at a quarter or an eighth.
///
/// `make bench` has the group `decoders`. A quarter saves a sixth of the time to the faces at 12
/// megapixels when colour is stored in full, as the group's large pictures are, and more when it is
/// halved, as phones do. A half saves nothing there: `zune-jpeg` makes the whole picture in that
/// time. In smaller pictures a quarter leaves too little, and the milliseconds it saves do not make
/// up for the faces that turn out too small and cost another decoding.
pub const REDUCED_PIXELS_MIN: u64 = 8_000_000;

/// The sides of a picture against those of the sample it was decoded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reduction {
    /// As large as the sample.
    #[default]
    None,
    /// Half the sides. Costs more than it saves; `make bench` shows it.
    Half,
    /// A quarter of the sides.
    Quarter,
    /// An eighth of the sides.
    Eighth,
}

impl Reduction {
    /// All, the strongest first.
    pub const ALL: [Self; 4] = [Self::Eighth, Self::Quarter, Self::Half, Self::None];

    /// Those that cost less than the whole picture, the strongest first.
    const THAT_PAY: [Self; 2] = [Self::Eighth, Self::Quarter];

    /// Pixels of the sample for one of the picture, along a side.
    #[must_use]
    pub const fn factor(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// The strongest reduction that serves detection on a sample of this size; none where it costs
    /// more than it saves.
    #[must_use]
    pub fn for_detection(width: u32, height: u32) -> Self {
        if u64::from(width) * u64::from(height) < REDUCED_PIXELS_MIN {
            return Self::None;
        }
        let longer = width.max(height);
        let is_enough = |wanted: &Self| longer >= LONGER_SIDE_MIN * u32::from(wanted.factor());
        Self::THAT_PAY
            .into_iter()
            .find(is_enough)
            .unwrap_or_default()
    }

    /// The strongest reduction up to this one that pays and leaves `least` pixels of the picture
    /// where the sample has `density`.
    #[must_use]
    pub fn that_keeps(self, density: f64, least: f64) -> Self {
        let keeps = |wanted: &Self| *wanted <= self && density / wanted.factor_f64() >= least;
        Self::THAT_PAY.into_iter().find(keeps).unwrap_or_default()
    }

    /// A face found in the picture, in pixels of the sample.
    ///
    /// Detection speaks of edges: at twice the pixels, everything lies at twice the coordinate, as
    /// it does between its own passes.
    #[must_use]
    pub fn to_sample(self, face: &Face) -> Face {
        let factor = f32::from(self.factor());
        face.map(|point| Point::new(point.x * factor, point.y * factor))
    }

    /// A box of the sample, in pixels of the picture.
    #[must_use]
    pub fn to_picture(self, rect: Rect) -> Rect {
        let factor = f32::from(self.factor());
        Rect {
            x: rect.x / factor,
            y: rect.y / factor,
            width: rect.width / factor,
            height: rect.height / factor,
        }
    }

    /// Where a warp finds landmarks of the sample in the picture.
    ///
    /// A warp speaks of centres: the centre of pixel n of the picture is that of the pixels f·n to
    /// f·n + f − 1 of the sample. So the crop shows the same, whatever the reduction.
    #[must_use]
    pub fn to_pixel_centres(self, landmarks: &Landmarks) -> Landmarks {
        let factor = f32::from(self.factor());
        let shift = (factor - 1.0) / 2.0;
        let place = |p: Point| Point::new((p.x - shift) / factor, (p.y - shift) / factor);
        Landmarks::from_points(landmarks.points().map(place))
    }

    fn factor_f64(self) -> f64 {
        f64::from(self.factor())
    }
}

/// A decoded sample. Its sides times the reduction's factor are those of the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Upright.
    pub picture: Picture,
    /// How much smaller than the sample it is.
    pub reduction: Reduction,
}

impl Decoded {
    /// Width of the upright sample, pixels.
    #[must_use]
    pub fn sample_width(&self) -> u32 {
        self.picture.width() * u32::from(self.reduction.factor())
    }

    /// Height of the upright sample, pixels.
    #[must_use]
    pub fn sample_height(&self) -> u32 {
        self.picture.height() * u32::from(self.reduction.factor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_pictures_are_reduced_and_keep_what_detection_looks_at() {
        let cases = [
            (1280, 960, Reduction::None),
            (3264, 2448, Reduction::None),
            (4000, 3000, Reduction::Quarter),
            (3000, 4000, Reduction::Quarter),
            (3840, 2160, Reduction::Quarter),
            (3600, 3600, Reduction::None),
            (7680, 3240, Reduction::Eighth),
            (8192, 900, Reduction::None),
        ];
        for (width, height, wanted) in cases {
            let found = Reduction::for_detection(width, height);
            assert_eq!(found, wanted, "{width}×{height}");
        }
    }

    #[test]
    fn a_density_is_kept_by_the_strongest_reduction_that_can() {
        let quarter = Reduction::Quarter;
        assert_eq!(quarter.that_keeps(100.0, 2.0), quarter);
        assert_eq!(quarter.that_keeps(8.0, 2.0), quarter);
        assert_eq!(quarter.that_keeps(7.9, 2.0), Reduction::None);
        assert_eq!(Reduction::Eighth.that_keeps(8.0, 2.0), quarter);
        assert_eq!(quarter.that_keeps(1.0, 2.0), Reduction::None);
        assert_eq!(quarter.that_keeps(f64::NAN, 2.0), Reduction::None);
    }

    #[test]
    fn edges_and_centres_are_carried_to_the_picture_and_back() {
        let rect = Rect {
            x: 40.0,
            y: 80.0,
            width: 16.0,
            height: 24.0,
        };
        // The centres of the sample's first pixel and of the first four together.
        let points = [Point::new(0.0, 0.0), Point::new(1.5, 1.5)];
        let [first, four] = points.map(|point| {
            let landmarks = Landmarks::from_points([point; 5]);
            Reduction::Quarter.to_pixel_centres(&landmarks).nose_tip
        });
        assert_eq!(
            (first, four),
            (Point::new(-0.375, -0.375), Point::default())
        );
        for reduction in Reduction::ALL {
            let face = Face {
                rect: reduction.to_picture(rect),
                landmarks: Landmarks::from_points([Point::default(); 5]),
                confidence: 0.5,
            };
            assert_eq!(reduction.to_sample(&face).rect, rect);
        }
    }
}
