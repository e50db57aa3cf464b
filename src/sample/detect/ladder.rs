//! The passes, and when each is taken.

use super::{DetectError, FaceDetector};
use crate::sample::geometry::{Face, Point};
use crate::sample::picture::Picture;

/// First pass: longer side, pixels. Finds faces from a tenth of the side to filling the frame.
const FIRST_SIDE: u32 = 320;

/// Faces below this are not believed, in the first pass and in the turned ones.
const CONFIDENCE: f32 = 0.70;

/// An upright face scores at least this in nine of ten pictures; a face on its side or upside down
/// never did. Below it, the turns are tried: such faces come with landmarks that look plausible
/// and are wrong, so nothing but a better turn gives them away.
const UPRIGHT_CONFIDENCE: f32 = 0.93;

/// Second pass. Its landmarks err independently of the first one's, so their mean is steadier;
/// and at this size the right turn of a picture led by the widest margin.
const SECOND_SIDE: u32 = 192;

/// Faces of two passes that overlap by this much are one face.
const SAME_FACE_OVERLAP: f32 = 0.5;

/// A turn must beat the picture as it is by this much.
const TURN_MARGIN: f32 = 0.01;

/// Pass for small faces: finds 80 pixels in a 12-megapixel picture. What it finds must be
/// confirmed by a closer look.
const FINE_SIDE: u32 = 640;
const FINE_CONFIDENCE: f32 = 0.60;

/// Pass for faces that fill the frame: the picture takes this share of a grey canvas.
const PADDED_SHARE: f32 = 0.65;
const PADDED_CONFIDENCE: f32 = 0.80;
const PADDING: u8 = 127;

/// Faces smaller than this in their pass get a closer look: 2.2 times their side, scaled so that
/// the face is about 100 pixels.
const COARSE_SIDE: f32 = 48.0;
const CLOSE_UP_FACTOR: f32 = 2.2;
const CLOSE_UP_SIDE: u32 = 224;
const CLOSE_UP_CONFIDENCE: f32 = 0.80;

/// At most so many candidates of the fine pass get a closer look.
const CONFIRMED_MAX: usize = 8;

/// What the ladder found.
pub struct Found {
    /// Faces in pixels of the picture as received, in no order.
    pub faces: Vec<Face>,
    /// Clockwise quarter turns that bring the picture upright.
    pub quarter_turns: u8,
    /// Pixels of the pass for one pixel of the picture.
    scale: f32,
}

impl Found {
    /// Whether the pass saw too few pixels of this face to place its landmarks well.
    pub fn is_coarse(&self, face: &Face) -> bool {
        self.scale < 1.0 && face.rect.side() * self.scale < COARSE_SIDE
    }

    /// The same faces, with landmarks half way to those that another pass saw.
    fn steadied_by(mut self, other: &Self) -> Self {
        for face in &mut self.faces {
            let same = |seen: &&Face| seen.rect.overlap(face.rect) >= SAME_FACE_OVERLAP;
            if let Some(seen) = other.faces.iter().find(same) {
                face.landmarks = face.landmarks.midpoint(&seen.landmarks);
            }
        }
        self
    }
}

/// Takes passes until one finds a face.
pub fn climb(detector: &mut dyn FaceDetector, picture: &Picture) -> Result<Found, DetectError> {
    let first = pass(detector, picture, FIRST_SIDE, 1.0, CONFIDENCE)?;
    let second = pass(detector, picture, SECOND_SIDE, 1.0, CONFIDENCE)?;
    if best(&first.faces) >= UPRIGHT_CONFIDENCE {
        return Ok(first.steadied_by(&second));
    }
    if let Some(quarter_turns) = better_turn(detector, picture, best(&second.faces))? {
        return climb_turned(detector, picture, quarter_turns);
    }
    if !first.faces.is_empty() {
        return Ok(first.steadied_by(&second));
    }
    if !second.faces.is_empty() {
        return Ok(second);
    }
    let fine = fine_pass(detector, picture)?;
    if !fine.faces.is_empty() {
        return Ok(fine);
    }
    pass(
        detector,
        picture,
        FIRST_SIDE,
        PADDED_SHARE,
        PADDED_CONFIDENCE,
    )
}

fn best(faces: &[Face]) -> f32 {
    faces.iter().map(|face| face.confidence).fold(0.0, f32::max)
}

/// One pass: the picture's longer side becomes `side × share`, centred on a canvas of `side` when
/// the share is below 1.
fn pass(
    detector: &mut dyn FaceDetector,
    picture: &Picture,
    side: u32,
    share: f32,
    confidence_min: f32,
) -> Result<Found, DetectError> {
    let (width, height) = picture.size_f32();
    let scale = to_f32(side) * share / to_f32(picture.longer_side());
    let seen = if share < 1.0 {
        let shift = |length: f32| f64::from((to_f32(side) - length * scale) / 2.0);
        let scale = f64::from(scale);
        let matrix = [[scale, 0.0, shift(width)], [0.0, scale, shift(height)]];
        picture.warp(matrix, side, side, PADDING)?
    } else {
        picture.resized(
            scaled(picture.width(), scale),
            scaled(picture.height(), scale),
        )?
    };
    let (seen_width, seen_height) = seen.size_f32();
    // Rounding makes the two scales differ by a hair.
    let (scale_x, scale_y, left, top) = if share < 1.0 {
        let left = (seen_width - width * scale) / 2.0;
        let top = (seen_height - height * scale) / 2.0;
        (scale, scale, left, top)
    } else {
        (seen_width / width, seen_height / height, 0.0, 0.0)
    };
    let faces = detector.detect(&seen, confidence_min)?;
    let back = |p: Point| Point::new((p.x - left) / scale_x, (p.y - top) / scale_y);
    Ok(Found {
        faces: faces.iter().map(|face| face.map(back)).collect(),
        quarter_turns: 0,
        scale,
    })
}

/// The turn at which the small picture's best face is clearly better than `as_it_is`, if any.
fn better_turn(
    detector: &mut dyn FaceDetector,
    picture: &Picture,
    as_it_is: f32,
) -> Result<Option<u8>, DetectError> {
    let scale = (to_f32(SECOND_SIDE) / to_f32(picture.longer_side())).min(1.0);
    let small = picture.resized(
        scaled(picture.width(), scale),
        scaled(picture.height(), scale),
    )?;
    let mut better = None;
    let mut confidence_to_beat = (as_it_is + TURN_MARGIN).max(CONFIDENCE);
    for quarter_turns in 1..4 {
        let turned = small.turned(quarter_turns)?;
        let found = pass(detector, &turned, SECOND_SIDE, 1.0, CONFIDENCE)?;
        let confidence = best(&found.faces);
        if confidence >= confidence_to_beat {
            confidence_to_beat = confidence;
            better = Some(quarter_turns);
        }
    }
    Ok(better)
}

/// The first two passes on the turned picture.
fn climb_turned(
    detector: &mut dyn FaceDetector,
    picture: &Picture,
    quarter_turns: u8,
) -> Result<Found, DetectError> {
    let upright = picture.turned(quarter_turns)?;
    let first = pass(detector, &upright, FIRST_SIDE, 1.0, CONFIDENCE)?;
    let second = pass(detector, &upright, SECOND_SIDE, 1.0, CONFIDENCE)?;
    let found = if first.faces.is_empty() {
        second
    } else {
        first.steadied_by(&second)
    };
    let back = |p: Point| picture.unturn(quarter_turns, p);
    Ok(Found {
        faces: found.faces.iter().map(|face| face.map(back)).collect(),
        quarter_turns,
        ..found
    })
}

/// The pass for small faces; only what a closer look confirms counts.
fn fine_pass(detector: &mut dyn FaceDetector, picture: &Picture) -> Result<Found, DetectError> {
    let found = pass(detector, picture, FINE_SIDE, 1.0, FINE_CONFIDENCE)?;
    let mut faces = Vec::new();
    for face in found.faces.iter().take(CONFIRMED_MAX) {
        faces.extend(refine(detector, picture, face, 0)?);
    }
    Ok(Found { faces, ..found })
}

/// A closer look at one face; absent when it does not see a face there.
pub fn refine(
    detector: &mut dyn FaceDetector,
    picture: &Picture,
    face: &Face,
    quarter_turns: u8,
) -> Result<Option<Face>, DetectError> {
    let centre = face.rect.centre();
    let scale = to_f32(CLOSE_UP_SIDE) / (face.rect.side() * CLOSE_UP_FACTOR).max(1.0);
    let half = to_f32(CLOSE_UP_SIDE) / 2.0;
    let (s, dx, dy) = (
        f64::from(scale),
        f64::from(half - centre.x * scale),
        f64::from(half - centre.y * scale),
    );
    let matrix = [[s, 0.0, dx], [0.0, s, dy]];
    let lying = picture.warp(matrix, CLOSE_UP_SIDE, CLOSE_UP_SIDE, PADDING)?;
    let close_up = lying.turned(quarter_turns)?;
    let faces = detector.detect(&close_up, CLOSE_UP_CONFIDENCE)?;
    let seen = super::nearest(&faces, Point::new(half, half)).and_then(|n| faces.get(n));
    let back = |p: Point| {
        let p = lying.unturn(quarter_turns, p);
        Point::new(
            (p.x - half) / scale + centre.x,
            (p.y - half) / scale + centre.y,
        )
    };
    // The same face, not a neighbour: the coarse centre must lie in the new box.
    let is_same = |refined: &Face| refined.rect.contains(centre);
    Ok(seen.map(|seen| seen.map(back)).filter(is_same))
}

#[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
fn to_f32(side: u32) -> f32 {
    side as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side times a positive scale; the cast saturates"
)]
fn scaled(side: u32, scale: f32) -> u32 {
    ((to_f32(side) * scale).round() as u32).max(1)
}
