//! The similarity transform that brings a face to the pose the embedding model was trained on.

mod template;

use super::geometry::{Landmarks, Point, Rect};
use super::picture::{Picture, PixelError};

pub use template::{ARCFACE_112, AlignmentTemplate, Frame, TEMPLATES};

/// The landmarks coincide, or the box has no area: no transform exists.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the landmarks lie on one point")]
pub struct DegenerateLandmarks;

/// Rotation, uniform scale and shift that bring `from` closest to `to` in the least-squares sense,
/// as a 2×3 matrix.
///
/// S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
/// IEEE PAMI 13(4), 1991. In the plane, and with reflections excluded, equations 40–42 reduce to
/// the closed form below: the rotation is the angle of Σ conj(p)·q over complex numbers.
///
/// # Errors
/// When all points of `from` coincide, or a coordinate is not finite.
pub fn similarity_transform(
    from: &[Point; 5],
    to: &[Point; 5],
) -> Result<[[f64; 3]; 2], DegenerateLandmarks> {
    let (from_x, from_y) = mean(from);
    let (to_x, to_y) = mean(to);
    let (mut dot, mut cross, mut spread) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (p, q) in from.iter().zip(to) {
        let (px, py) = (f64::from(p.x) - from_x, f64::from(p.y) - from_y);
        let (qx, qy) = (f64::from(q.x) - to_x, f64::from(q.y) - to_y);
        dot += px * qx + py * qy;
        cross += px * qy - py * qx;
        spread += px * px + py * py;
    }
    let (cosine, sine) = (dot / spread, cross / spread);
    // Also catches a spread of 0 and coordinates that are not numbers.
    if !(cosine.is_finite() && sine.is_finite()) || spread < 1e-6 {
        return Err(DegenerateLandmarks);
    }
    Ok([
        [cosine, -sine, to_x - cosine * from_x + sine * from_y],
        [sine, cosine, to_y - sine * from_x - cosine * from_y],
    ])
}

/// Pixels of the picture for one of the crop, along a side.
///
/// # Errors
/// When the landmarks coincide.
pub fn density(
    landmarks: &Landmarks,
    template: &AlignmentTemplate,
) -> Result<f64, DegenerateLandmarks> {
    let [[cosine, ..], [sine, ..]] = similarity_transform(&landmarks.points(), &template.points)?;
    Ok(cosine.hypot(sine).recip())
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let x: f64 = points.iter().map(|p| f64::from(p.x)).sum();
    let y: f64 = points.iter().map(|p| f64::from(p.y)).sum();
    (x / 5.0, y / 5.0)
}

/// A face could not be aligned.
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// No transform exists.
    #[error(transparent)]
    Degenerate(#[from] DegenerateLandmarks),
    /// OpenCV failed.
    #[error(transparent)]
    Pixels(#[from] PixelError),
}

/// Cuts the face out of `picture`, upright and at the template's size; black outside the picture.
///
/// # Errors
/// When the landmarks coincide, or OpenCV fails.
pub fn aligned_crop(
    picture: &Picture,
    landmarks: &Landmarks,
    template: &AlignmentTemplate,
) -> Result<Picture, AlignError> {
    let mut face = AlignedFace::default();
    face.align(picture, landmarks, template)?;
    Ok(face.crop)
}

/// A face brought to a template's pose. It serves for one face after the other, in the same memory.
#[derive(Default)]
pub struct AlignedFace {
    crop: Picture,
    inside: Vec<bool>,
}

impl AlignedFace {
    /// Cuts the face out of `picture`, upright and at the template's size; black outside the
    /// picture. The face that was here before is gone.
    ///
    /// # Errors
    /// When the landmarks coincide, or OpenCV fails; then what is here is of no use.
    pub fn align(
        &mut self,
        picture: &Picture,
        landmarks: &Landmarks,
        template: &AlignmentTemplate,
    ) -> Result<(), AlignError> {
        let matrix = similarity_transform(&landmarks.points(), &template.points)?;
        self.warp(picture, matrix, template.side_px)
    }

    /// Cuts the face out of `picture` as the template wants it: by its landmarks like
    /// [`Self::align`], or by its box; `rect` in pixels of the picture.
    ///
    /// # Errors
    /// When what the crop goes by is degenerate, or OpenCV fails; then what is here is of no use.
    pub fn cut(
        &mut self,
        picture: &Picture,
        rect: Rect,
        landmarks: &Landmarks,
        template: &AlignmentTemplate,
    ) -> Result<(), AlignError> {
        match template.frame {
            Frame::Landmarks => self.align(picture, landmarks, template),
            Frame::FaceBox { enlargement } => {
                let side = template.side_px;
                let matrix = template::box_transform(rect, landmarks, side, enlargement)?;
                self.warp(picture, matrix, side)
            }
        }
    }

    fn warp(
        &mut self,
        picture: &Picture,
        matrix: [[f64; 3]; 2],
        side: u32,
    ) -> Result<(), AlignError> {
        picture.warp_into(matrix, (side, side), 0, &mut self.crop)?;
        self.inside.clear();
        self.inside.extend(pixels_inside(picture, matrix, side));
        Ok(())
    }

    /// The aligned crop.
    #[must_use]
    pub fn crop(&self) -> &Picture {
        &self.crop
    }

    /// Which pixels of the crop show the picture, row by row; the others are black filling.
    #[must_use]
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// Leaves nothing of the face, and keeps the memory.
    pub fn wipe(&mut self) {
        self.crop.wipe();
        self.inside.fill(false);
    }
}

/// Which pixels of a crop of `side` pixels show the picture, for the matrix that made the crop.
fn pixels_inside(
    picture: &Picture,
    matrix: [[f64; 3]; 2],
    side: u32,
) -> impl Iterator<Item = bool> + use<> {
    let [[cosine, _, shift_x], [sine, _, shift_y]] = matrix;
    let determinant = cosine * cosine + sine * sine;
    let (width, height) = picture.size_f32();
    let (right, bottom) = (f64::from(width) - 1.0, f64::from(height) - 1.0);
    let is_inside = move |(column, row): (u32, u32)| {
        let (across, down) = (f64::from(column) - shift_x, f64::from(row) - shift_y);
        let x = (cosine * across + sine * down) / determinant;
        let y = (cosine * down - sine * across) / determinant;
        (0.0..=right).contains(&x) && (0.0..=bottom).contains(&y)
    };
    let pixels = (0..side).flat_map(move |y| (0..side).map(move |x| (x, y)));
    pixels.map(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(matrix: [[f64; 3]; 2], p: Point) -> (f64, f64) {
        let (x, y) = (f64::from(p.x), f64::from(p.y));
        let [a, b] = matrix;
        (a[0] * x + a[1] * y + a[2], b[0] * x + b[1] * y + b[2])
    }

    proptest! {
        #[test]
        fn a_known_similarity_is_recovered(
            angle in -3.1_f32..3.1,
            scale in 0.05_f32..20.0,
            dx in -2000_f32..2000.0,
            dy in -2000_f32..2000.0,
        ) {
            let template = ARCFACE_112.points;
            let (sine, cosine) = angle.sin_cos();
            let from = template.map(|p| Point::new(
                scale * (cosine * p.x - sine * p.y) + dx,
                scale * (sine * p.x + cosine * p.y) + dy,
            ));
            let matrix = similarity_transform(&from, &template).expect("not degenerate");
            for (p, q) in from.iter().zip(template) {
                let (x, y) = apply(matrix, *p);
                prop_assert!((x - f64::from(q.x)).abs() < 0.02, "{x} {}", q.x);
                prop_assert!((y - f64::from(q.y)).abs() < 0.02, "{y} {}", q.y);
            }
        }

        #[test]
        fn the_fit_is_a_least_squares_optimum(noise in proptest::array::uniform10(-6_f32..6.0)) {
            let mut from = ARCFACE_112.points;
            for (p, n) in from.iter_mut().zip(noise.chunks(2)) {
                *p = Point::new(p.x + n[0], p.y + n[1]);
            }
            let best = similarity_transform(&from, &ARCFACE_112.points).expect("not degenerate");
            let cost = |m: [[f64; 3]; 2]| -> f64 {
                from.iter().zip(ARCFACE_112.points).map(|(p, q)| {
                    let (x, y) = apply(m, *p);
                    (x - f64::from(q.x)).powi(2) + (y - f64::from(q.y)).powi(2)
                }).sum()
            };
            for (dc, ds, dx, dy) in [(1e-3, 0., 0., 0.), (-1e-3, 0., 0., 0.), (0., 1e-3, 0., 0.),
                (0., -1e-3, 0., 0.), (0., 0., 1e-2, 0.), (0., 0., 0., 1e-2)] {
                let mut moved = best;
                moved[0][0] += dc; moved[1][1] += dc;
                moved[0][1] -= ds; moved[1][0] += ds;
                moved[0][2] += dx; moved[1][2] += dy;
                prop_assert!(cost(moved) >= cost(best) - 1e-9);
            }
        }
    }

    #[test]
    fn coinciding_or_infinite_landmarks_are_refused() {
        let one = [Point::new(3.0, 4.0); 5];
        assert_eq!(
            similarity_transform(&one, &ARCFACE_112.points),
            Err(DegenerateLandmarks)
        );
        let infinite = [Point::new(f32::INFINITY, 0.0); 5];
        assert_eq!(
            similarity_transform(&infinite, &ARCFACE_112.points),
            Err(DegenerateLandmarks)
        );
    }

    #[test]
    fn pixels_outside_the_picture_are_known() {
        let landmarks = Landmarks::from_points(ARCFACE_112.points);
        let inside = |width, height| {
            let picture = Picture::filled(width, height, [1; 3]);
            let mut face = AlignedFace::default();
            face.align(&picture, &landmarks, &ARCFACE_112)
                .expect("aligns");
            let inside = face.inside();
            let filled = face
                .crop()
                .rgb()
                .as_chunks::<3>()
                .0
                .iter()
                .map(|pixel| *pixel == [1; 3]);
            assert!(filled.eq(inside.iter().copied()), "{width}×{height}");
            inside.iter().filter(|inside| **inside).count()
        };
        assert_eq!(inside(112, 112), 112 * 112);
        assert_eq!(inside(112, 56), 112 * 56);
        assert_eq!(inside(40, 200), 40 * 112);
    }

    #[test]
    fn a_face_three_times_as_large_as_the_crop_has_three_pixels_for_one() {
        let enlarged = ARCFACE_112
            .points
            .map(|p| Point::new(p.y * -3.0, p.x * 3.0));
        let density = density(&Landmarks::from_points(enlarged), &ARCFACE_112);
        assert!((density.expect("not degenerate") - 3.0).abs() < 1e-5);
    }

    #[test]
    fn landmarks_on_the_template_leave_the_crop_as_it_is() {
        let pixels = (0..112 * 112 * 3).map(|n| (n % 251) as u8).collect();
        let picture = Picture::new(112, 112, pixels).expect("sizes agree");
        let landmarks = Landmarks::from_points(ARCFACE_112.points);
        let crop = aligned_crop(&picture, &landmarks, &ARCFACE_112).expect("aligns");
        assert_eq!(crop.rgb(), picture.rgb());
    }
}
