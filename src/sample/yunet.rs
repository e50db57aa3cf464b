//! `YuNet`'s twelve output maps to faces, as pure functions.
//!
//! `YuNet` (W. Wu, H. Peng, S. Yu, "`YuNet`: A Tiny Millisecond-level Face Detector", Machine
//! Intelligence Research 20, 2023) predicts, for each cell of three grids (strides 8, 16 and 32
//! pixels), a class score, an object score, a box and five landmarks, all relative to the cell.

use super::geometry::{Face, Landmarks, Point, Rect};

/// The strides of the three grids, pixels.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// Boxes that overlap a better one by more than this are the same face.
const SAME_FACE_OVERLAP: f32 = 0.3;

/// More candidates than this are not looked at; a crowd is refused anyway.
const CANDIDATES_MAX: usize = 1000;

/// More faces than this are not reported.
const FACES_MAX: usize = 50;

/// The outputs of one grid, row by row: `cells` scores, `4 × cells` and `10 × cells` numbers.
#[derive(Debug, Clone, Copy)]
pub struct GridOutput<'a> {
    /// Pixels between cells.
    pub stride: usize,
    /// Class score of each cell.
    pub class: &'a [f32],
    /// Object score of each cell.
    pub object: &'a [f32],
    /// Box of each cell: shift of the centre, logarithm of the size, in strides.
    pub boxes: &'a [f32],
    /// Landmarks of each cell: five shifts, in strides.
    pub landmarks: &'a [f32],
}

/// Faces in pixels of the network's input, best first, each once.
///
/// `columns_px` is the input's width. Cells below `confidence_min` are left out, and so are
/// numbers that are not finite.
#[must_use]
pub fn decode(grids: &[GridOutput<'_>], columns_px: usize, confidence_min: f32) -> Vec<Face> {
    let mut candidates: Vec<Face> = grids
        .iter()
        .flat_map(|grid| decode_grid(grid, columns_px, confidence_min))
        .collect();
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.truncate(CANDIDATES_MAX);
    suppress_overlaps(&candidates)
}

fn decode_grid<'a>(
    grid: &GridOutput<'a>,
    columns_px: usize,
    confidence_min: f32,
) -> impl Iterator<Item = Face> + use<'a> {
    let columns = (columns_px / grid.stride).max(1);
    let stride = to_f32(grid.stride);
    let scores = grid.class.iter().zip(grid.object);
    let shapes = grid
        .boxes
        .as_chunks::<4>()
        .0
        .iter()
        .zip(grid.landmarks.as_chunks::<10>().0);
    scores.zip(shapes).enumerate().filter_map(
        move |(cell, ((class, object), (shape, landmarks)))| {
            let confidence = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
            // Not `<`: a NaN must not pass.
            if !(confidence >= confidence_min) {
                return None;
            }
            let corner = Point::new(to_f32(cell % columns), to_f32(cell / columns));
            face_of_cell(corner, stride, shape, landmarks, confidence)
        },
    )
}

fn face_of_cell(
    cell: Point,
    stride: f32,
    shape: &[f32; 4],
    landmarks: &[f32; 10],
    confidence: f32,
) -> Option<Face> {
    let [shift_x, shift_y, log_width, log_height] = *shape;
    let (width, height) = (log_width.exp() * stride, log_height.exp() * stride);
    let rect = Rect {
        x: (cell.x + shift_x) * stride - width / 2.0,
        y: (cell.y + shift_y) * stride - height / 2.0,
        width,
        height,
    };
    let mut points = [Point::default(); 5];
    for (point, [x, y]) in points.iter_mut().zip(landmarks.as_chunks::<2>().0) {
        *point = Point::new((cell.x + x) * stride, (cell.y + y) * stride);
    }
    let finite = [rect.x, rect.y, rect.width, rect.height]
        .into_iter()
        .chain(points.iter().flat_map(|p| [p.x, p.y]))
        .all(f32::is_finite);
    finite.then_some(Face {
        rect,
        landmarks: Landmarks::from_points(points),
        confidence,
    })
}

/// Greedy non-maximum suppression over faces that are sorted best first.
fn suppress_overlaps(candidates: &[Face]) -> Vec<Face> {
    let mut kept: Vec<Face> = Vec::new();
    for candidate in candidates {
        if kept.len() == FACES_MAX {
            break;
        }
        let repeats = |face: &Face| face.rect.overlap(candidate.rect) > SAME_FACE_OVERLAP;
        if !kept.iter().any(repeats) {
            kept.push(*candidate);
        }
    }
    kept
}

#[expect(
    clippy::cast_precision_loss,
    reason = "cells and strides are far below 2^24"
)]
fn to_f32(number: usize) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cell_decodes_to_pixels_by_the_published_formula() {
        // Stride 8, 2 columns; the last of 4 cells (column 1, row 1) holds a face.
        let class = [0.0, 0.0, 0.0, 0.81];
        let object = [1.0; 4];
        let mut boxes = [0.0; 16];
        boxes[12..].copy_from_slice(&[0.5, 0.25, 2.0_f32.ln(), 4.0_f32.ln()]);
        let mut landmarks = [0.0; 40];
        landmarks[30] = 1.0;
        let grid = GridOutput {
            stride: 8,
            class: &class,
            object: &object,
            boxes: &boxes,
            landmarks: &landmarks,
        };
        let faces = decode(&[grid], 16, 0.6);
        assert_eq!(faces.len(), 1);
        let face = faces[0];
        assert!((face.confidence - 0.9).abs() < 1e-6);
        // Centre ((1 + 0.5)·8, (1 + 0.25)·8) = (12, 10), size (16, 32).
        assert!((face.rect.x - 4.0).abs() < 1e-4 && (face.rect.y + 6.0).abs() < 1e-4);
        assert!((face.rect.width - 16.0).abs() < 1e-4 && (face.rect.height - 32.0).abs() < 1e-4);
        assert_eq!(face.landmarks.right_eye, Point::new(16.0, 8.0));
        assert_eq!(face.landmarks.nose_tip, Point::new(8.0, 8.0));
    }

    fn any_number() -> impl Strategy<Value = f32> {
        prop_oneof![-3_f32..3.0, Just(f32::NAN), Just(f32::INFINITY), Just(90.0)]
    }

    proptest! {
        #[test]
        fn any_numbers_give_few_finite_sorted_faces_that_do_not_overlap(
            numbers in proptest::collection::vec(any_number(), 16 * 16),
        ) {
            let grid = GridOutput {
                stride: 32,
                class: &numbers[..16],
                object: &numbers[16..32],
                boxes: &numbers[32..96],
                landmarks: &numbers[96..],
            };
            let faces = decode(&[grid], 128, 0.3);
            prop_assert!(faces.windows(2).all(|w| w[0].confidence >= w[1].confidence));
            for (n, face) in faces.iter().enumerate() {
                prop_assert!((0.3..=1.0).contains(&face.confidence));
                prop_assert!(face.rect.area() >= 0.0);
                for other in &faces[n + 1..] {
                    prop_assert!(face.rect.overlap(other.rect) <= SAME_FACE_OVERLAP);
                }
            }
        }
    }
}
