//! The crops that networks were trained on, by name.

use super::DegenerateLandmarks;
use crate::sample::geometry::{Landmarks, Point, Rect};

/// Where a face lies in its crop, and the crop's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignmentTemplate {
    /// Name in the manifest.
    pub name: &'static str,
    /// Side of the square crop, pixels.
    pub side_px: u32,
    /// Landmarks in the crop, in the order of [`Landmarks::points`]; of a crop by the box, where
    /// they come to lie roughly.
    pub points: [Point; 5],
    /// What the crop goes by.
    pub frame: Frame,
}

/// What a crop goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frame {
    /// The five landmarks: turned, scaled and shifted onto [`AlignmentTemplate::points`].
    Landmarks,
    /// The detector's box: made square by its longer side, enlarged, turned by quarters only.
    FaceBox {
        /// Side of the crop for one of the squared box.
        enlargement: f32,
    },
}

/// The five-point template of `ArcFace` (Deng et al., 2019) for 112×112 crops, with the digits of
/// OpenCV's `FaceRecognizerSF::alignCrop`. Quality is measured in it, whatever the embedder takes:
/// its anchors belong to these pixels.
pub const ARCFACE_112: AlignmentTemplate = AlignmentTemplate {
    name: "arcface-112",
    side_px: 112,
    points: [
        Point::new(38.2946, 51.6963),
        Point::new(73.5318, 51.5014),
        Point::new(56.0252, 71.7366),
        Point::new(41.5493, 92.3655),
        Point::new(70.7299, 92.2041),
    ],
    frame: Frame::Landmarks,
};

/// `FaceNet`'s own crops leave a margin of 32 in 160 pixels around the box (davidsandberg/facenet,
/// `align_dataset_mtcnn.py`, 44 in 182 before its random crop to 160): five quarters of the box.
const FACENET: Frame = Frame::FaceBox { enlargement: 1.25 };

/// The templates that a manifest may name.
pub const TEMPLATES: [&AlignmentTemplate; 7] = [
    &ARCFACE_112,
    // As insightface's `estimate_norm` widens it: no larger, 8 pixels more at each side.
    &arcface("arcface-128", 128, 1.0, 8.0),
    &arcface("arcface-160", 160, 160.0 / 112.0, 0.0),
    &arcface("arcface-224", 224, 2.0, 0.0),
    &by_box("box-112", 112, 1.0),
    &by_box("box-160", 160, 160.0 / 112.0),
    &by_box("box-224", 224, 2.0),
];

/// The five points of [`ARCFACE_112`], `scale` times as far apart and `shift` pixels to the right.
const fn arcface(name: &'static str, side_px: u32, scale: f32, shift: f32) -> AlignmentTemplate {
    const fn moved(point: Point, scale: f32, shift: f32) -> Point {
        Point::new(point.x * scale + shift, point.y * scale)
    }
    let [right_eye, left_eye, nose, right_mouth, left_mouth] = ARCFACE_112.points;
    AlignmentTemplate {
        name,
        side_px,
        points: [
            moved(right_eye, scale, shift),
            moved(left_eye, scale, shift),
            moved(nose, scale, shift),
            moved(right_mouth, scale, shift),
            moved(left_mouth, scale, shift),
        ],
        frame: Frame::Landmarks,
    }
}

const fn by_box(name: &'static str, side_px: u32, scale: f32) -> AlignmentTemplate {
    AlignmentTemplate {
        frame: FACENET,
        ..arcface(name, side_px, scale, 0.0)
    }
}

/// Quarter turn, scale and shift that bring the square around `rect`, `enlargement` times as large,
/// onto a crop of `side` pixels, as a 2×3 matrix between pixel centres. The eyes say which way is
/// up, so that a face of a picture on its side stands upright in its crop.
///
/// # Errors
/// When the box has no area, or a coordinate is not finite.
pub(super) fn box_transform(
    rect: Rect,
    landmarks: &Landmarks,
    side: u32,
    enlargement: f32,
) -> Result<[[f64; 3]; 2], DegenerateLandmarks> {
    let (right, left) = (landmarks.right_eye, landmarks.left_eye);
    let (across, down) = (left.x - right.x, left.y - right.y);
    let (cosine, sine) = if across.abs() >= down.abs() {
        (f64::from(across).signum(), 0.0)
    } else {
        (0.0, -f64::from(down).signum())
    };
    let scale = f64::from(side) / f64::from(rect.width.max(rect.height) * enlargement);
    let centre = rect.centre();
    // A box speaks of edges, a warp of centres.
    let (x, y) = (f64::from(centre.x) - 0.5, f64::from(centre.y) - 0.5);
    let middle = (f64::from(side) - 1.0) / 2.0;
    let (cosine, sine) = (cosine * scale, sine * scale);
    let matrix = [
        [cosine, -sine, middle - cosine * x + sine * y],
        [sine, cosine, middle - sine * x - cosine * y],
    ];
    let is_sound = matrix.iter().flatten().all(|number| number.is_finite());
    if is_sound && rect.area() > 0.0 {
        Ok(matrix)
    } else {
        Err(DegenerateLandmarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::align::AlignedFace;
    use crate::sample::picture::Picture;

    #[test]
    fn templates_have_names_of_their_own_and_points_inside_the_crop() {
        for (index, template) in TEMPLATES.iter().enumerate() {
            let others = TEMPLATES.iter().skip(index + 1);
            assert!(others.clone().all(|other| other.name != template.name));
            let side = f64::from(template.side_px);
            let inside = |p: &Point| p.x > 0.0 && p.y > 0.0 && f64::from(p.x.max(p.y)) < side;
            assert!(template.points.iter().all(inside), "{}", template.name);
            assert!(template.name.ends_with(&format!("-{}", template.side_px)));
        }
    }

    /// Red above, blue below, and eyes that lie as the quarter turn puts them.
    fn half_and_half(turned: bool) -> (Picture, Landmarks) {
        let pixels = (0..40 * 40).flat_map(|n| {
            let (x, y) = (n % 40, n / 40);
            // Turned clockwise, what was above is at the right.
            let is_above = if turned { x >= 20 } else { y < 20 };
            if is_above { [255, 0, 0] } else { [0, 0, 255] }
        });
        let picture = Picture::new(40, 40, pixels.collect()).expect("sizes agree");
        let mut landmarks = Landmarks::from_points([Point::new(20.0, 20.0); 5]);
        (landmarks.right_eye, landmarks.left_eye) = if turned {
            (Point::new(24.0, 15.0), Point::new(24.0, 25.0))
        } else {
            (Point::new(15.0, 16.0), Point::new(25.0, 16.0))
        };
        (picture, landmarks)
    }

    #[test]
    fn a_crop_by_the_box_is_square_enlarged_and_upright() {
        // 16 × 12 squared and enlarged is 20 × 20 around the centre: the borders stay inside.
        let rect = Rect {
            x: 12.0,
            y: 14.0,
            width: 16.0,
            height: 12.0,
        };
        let template = TEMPLATES
            .into_iter()
            .find(|template| template.name == "box-160")
            .expect("is there");
        for turned in [false, true] {
            let (picture, landmarks) = half_and_half(turned);
            let mut face = AlignedFace::default();
            face.cut(&picture, rect, &landmarks, template)
                .expect("has an area");
            assert!(face.inside().iter().all(|inside| *inside), "{turned}");
            let rows: Vec<_> = face.crop().rgb().chunks(160 * 3).collect();
            assert_eq!(rows.len(), 160);
            let is = |row: &[u8], colour| row.as_chunks::<3>().0.iter().all(|p| *p == colour);
            assert!(is(rows[0], [255, 0, 0]) && is(rows[74], [255, 0, 0]));
            assert!(is(rows[85], [0, 0, 255]) && is(rows[159], [0, 0, 255]));
        }
    }

    #[test]
    fn a_box_without_area_is_refused() {
        let landmarks = Landmarks::from_points(ARCFACE_112.points);
        for (width, height) in [
            (0.0, 0.0),
            (5.0, 0.0),
            (f32::NAN, 5.0),
            (f32::INFINITY, 5.0),
        ] {
            let rect = Rect {
                x: 0.0,
                y: 0.0,
                width,
                height,
            };
            let refused = box_transform(rect, &landmarks, 112, 1.25);
            assert_eq!(refused, Err(DegenerateLandmarks), "{width} × {height}");
        }
    }
}
