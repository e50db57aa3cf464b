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

/// Side for comparing turns: here the right turn led by the widest margin.
const TURN_SIDE: u32 = 192;

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
}

/// Takes passes until one finds a face.
pub fn climb(detector: &mut dyn FaceDetector, picture: &Picture) -> Result<Found, DetectError> {
    let first = pass(detector, picture, FIRST_SIDE, 1.0, CONFIDENCE)?;
    if best(&first.faces) >= UPRIGHT_CONFIDENCE {
        return Ok(first);
    }
    let turns = compare_turns(detector, picture)?;
    if turns.quarter_turns > 0 {
        return first_pass_turned(detector, picture, turns);
    }
    if !first.faces.is_empty() {
        return Ok(first);
    }
    if !turns.faces.is_empty() {
        return Ok(turns);
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

/// The picture in its four turns at a small size; the turn whose best face is clearly better than
/// that of the picture as it is, else the picture as it is.
fn compare_turns(detector: &mut dyn FaceDetector, picture: &Picture) -> Result<Found, DetectError> {
    let scale = (to_f32(TURN_SIDE) / to_f32(picture.longer_side())).min(1.0);
    let small = picture.resized(
        scaled(picture.width(), scale),
        scaled(picture.height(), scale),
    )?;
    let mut winner = pass(detector, &small, TURN_SIDE, 1.0, CONFIDENCE)?;
    let mut confidence_to_beat = best(&winner.faces) + TURN_MARGIN;
    for quarter_turns in 1..4 {
        let turned = small.turned(quarter_turns)?;
        let found = pass(detector, &turned, TURN_SIDE, 1.0, CONFIDENCE)?;
        let confidence = best(&found.faces);
        if confidence >= confidence_to_beat {
            confidence_to_beat = confidence;
            winner = Found {
                quarter_turns,
                ..found
            };
        }
    }
    let back = |p: Point| {
        let p = small.unturn(winner.quarter_turns, p);
        Point::new(p.x / scale, p.y / scale)
    };
    let faces = winner.faces.iter().map(|face| face.map(back)).collect();
    let scale = winner.scale * scale;
    Ok(Found {
        faces,
        scale,
        ..winner
    })
}

/// The first pass on the turned picture; what the small one saw, when that finds nothing.
fn first_pass_turned(
    detector: &mut dyn FaceDetector,
    picture: &Picture,
    turns: Found,
) -> Result<Found, DetectError> {
    let quarter_turns = turns.quarter_turns;
    let upright = picture.turned(quarter_turns)?;
    let found = pass(detector, &upright, FIRST_SIDE, 1.0, CONFIDENCE)?;
    if found.faces.is_empty() {
        return Ok(turns);
    }
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
