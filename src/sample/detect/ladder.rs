//! The passes, and when each is taken.

use super::scales::Scales;
use super::{DetectError, FaceDetector};
use crate::sample::geometry::{Face, Point};
use crate::sample::picture::{Picture, Window};

/// One pass over the whole picture.
struct Pass {
    /// Pixels that the picture's longer side becomes, or the side of the canvas that it lies on.
    side: u32,
    /// Below 1: the picture takes this share of a grey canvas.
    share: f32,
    /// Least confidence of a face.
    confidence_min: f32,
}

/// Faces below this are not believed, in the first two passes and in the turned ones.
const CONFIDENCE: f32 = 0.70;

/// Finds faces from a sixth of the side to filling the frame. At this size the right turn of a
/// picture led by the widest margin, too.
const FIRST: Pass = Pass {
    side: 192,
    share: 1.0,
    confidence_min: CONFIDENCE,
};

/// When the first found nothing: faces from a tenth of the side.
const SECOND: Pass = Pass {
    side: 320,
    share: 1.0,
    confidence_min: CONFIDENCE,
};

/// For small faces: finds 80 pixels in a 12-megapixel picture. What it finds must be confirmed by
/// a closer look.
const FINE: Pass = Pass {
    side: 640,
    share: 1.0,
    confidence_min: 0.60,
};

/// For faces that fill the frame.
const PADDED: Pass = Pass {
    side: SECOND.side,
    share: 0.65,
    confidence_min: 0.80,
};

/// The grey around a picture that is padded, and beyond its edges.
const PADDING: u8 = 127;

/// A face on its side or upside down never scored this. Below it, the turns are tried: such faces
/// come with landmarks that look plausible and are wrong, so nothing but a better turn gives them
/// away.
const UPRIGHT_CONFIDENCE: f32 = 0.92;

/// A turn must beat the picture as it is by this much.
const TURN_MARGIN: f32 = 0.01;

/// What the fine pass found is confirmed at 2.2 times its side, scaled so that the face is about
/// 100 pixels.
const CONFIRMATION: CloseUp = CloseUp {
    factor: 2.2,
    side: 224,
    confidence_min: 0.80,
};

/// The closer look at the face that is meant: about 70 pixels. Its landmarks err independently of
/// those of the pass that found the face, so their mean is steadier.
const CLOSER_LOOK: CloseUp = CloseUp {
    factor: 1.8,
    side: 128,
    confidence_min: 0.70,
};

/// Below this many pixels a side, the pass that found a face placed its landmarks too roughly to
/// add anything to those of the closer look.
const COARSE_SIDE: f32 = 32.0;

/// How a face is looked at again.
struct CloseUp {
    /// Side of the window, in sides of the face.
    factor: f32,
    /// Pixels the window is scaled to.
    side: u32,
    /// Least confidence of the face seen there.
    confidence_min: f32,
}

/// At most so many candidates of the fine pass get a closer look.
const CONFIRMED_MAX: usize = 8;

/// What the ladder found.
pub struct Found {
    /// Faces in pixels of the picture as received, in no order.
    pub faces: Vec<Face>,
    /// Clockwise quarter turns that bring the picture upright.
    pub quarter_turns: u8,
    /// Faces that a closer look confirmed; others may have been dropped.
    pub by_closer_looks: bool,
    /// Pixels of the pass for one pixel of the picture.
    scale: f32,
}

impl Found {
    /// Whether the pass saw too few pixels of this face to place its landmarks well.
    fn is_coarse(&self, face: &Face) -> bool {
        self.scale < 1.0 && face.rect.side() * self.scale < COARSE_SIDE
    }
}

/// Pictures that the passes make. Each is overwritten by the next of its kind.
#[derive(Default)]
pub struct Views {
    /// What the network is shown.
    seen: Picture,
    /// On the way to it.
    step: Picture,
    /// The picture at the size of the first pass, to be turned.
    small: Picture,
    /// The same, or a closer look, turned.
    turned: Picture,
}

impl Views {
    /// Leaves nothing of any picture, and keeps the memory.
    pub fn wipe(&mut self) {
        self.all_mut().into_iter().for_each(Picture::wipe);
    }

    fn all_mut(&mut self) -> [&mut Picture; 4] {
        let Self {
            seen,
            step,
            small,
            turned,
        } = self;
        [seen, step, small, turned]
    }

    /// Every picture.
    #[cfg(test)]
    pub fn all(&mut self) -> [&Picture; 4] {
        self.all_mut().map(|view| &*view)
    }
}

/// One search for faces: who looks, at what, and where its views are made.
pub struct Search<'a> {
    pub detector: &'a mut dyn FaceDetector,
    pub picture: Scales<'a>,
    pub views: &'a mut Views,
}

impl Search<'_> {
    /// Takes passes until one finds a face.
    pub fn climb(&mut self) -> Result<Found, DetectError> {
        let mut found = self.pass(&FIRST)?;
        if found.faces.is_empty() {
            found = self.pass(&SECOND)?;
        }
        if best(&found.faces) >= UPRIGHT_CONFIDENCE {
            return Ok(found);
        }
        if let Some(turned) = self.better_turn(best(&found.faces))? {
            return Ok(turned);
        }
        if !found.faces.is_empty() {
            return Ok(found);
        }
        let fine = self.fine_pass()?;
        if !fine.faces.is_empty() {
            return Ok(fine);
        }
        self.pass(&PADDED)
    }

    /// Looks closer at one of the faces that were found and puts its landmarks right.
    pub fn steady(&mut self, found: &Found, face: Face) -> Result<Face, DetectError> {
        let seen = self.look_at(&face, found.quarter_turns, &CLOSER_LOOK)?;
        Ok(match seen {
            None => face,
            Some(seen) if found.is_coarse(&face) => seen,
            Some(seen) => Face {
                landmarks: face.landmarks.midpoint(&seen.landmarks),
                ..face
            },
        })
    }

    fn pass(&mut self, how: &Pass) -> Result<Found, DetectError> {
        let Views { seen, step, .. } = self.views;
        pass(self.detector, &self.picture, how, seen, step)
    }

    /// What is seen at the turn at which the small picture's best face is clearly better than
    /// `as_it_is`, if there is one.
    fn better_turn(&mut self, as_it_is: f32) -> Result<Option<Found>, DetectError> {
        let picture = &self.picture;
        let Views {
            seen,
            step,
            small,
            turned,
        } = self.views;
        let scale = (to_f32(FIRST.side) / to_f32(picture.full.longer_side())).min(1.0);
        picture.resize_into(size_at(picture.full, scale), small, step)?;
        let mut better = None;
        let mut confidence_to_beat = (as_it_is + TURN_MARGIN).max(CONFIDENCE);
        for quarter_turns in 1..4 {
            let turned = Scales::one(small.turned(quarter_turns, turned)?);
            let found = pass(self.detector, &turned, &FIRST, seen, step)?;
            let confidence = best(&found.faces);
            if confidence >= confidence_to_beat {
                confidence_to_beat = confidence;
                better = Some((quarter_turns, found));
            }
        }
        let (small_width, small_height) = small.size_f32();
        let (width, height) = picture.full.size_f32();
        let (scale_x, scale_y) = (small_width / width, small_height / height);
        Ok(better.map(|(quarter_turns, found)| {
            let back = |p: Point| {
                let p = small.unturn(quarter_turns, p);
                Point::new(p.x / scale_x, p.y / scale_y)
            };
            Found {
                faces: mapped(found.faces, back),
                quarter_turns,
                by_closer_looks: false,
                scale: found.scale * scale,
            }
        }))
    }

    /// The pass for small faces; only what a closer look confirms counts.
    fn fine_pass(&mut self) -> Result<Found, DetectError> {
        let found = self.pass(&FINE)?;
        let mut faces = Vec::new();
        for face in found.faces.iter().take(CONFIRMED_MAX) {
            faces.extend(self.look_at(face, 0, &CONFIRMATION)?);
        }
        Ok(Found {
            faces,
            by_closer_looks: true,
            ..found
        })
    }

    /// One face seen again, larger; absent when there is no face in that place.
    fn look_at(
        &mut self,
        face: &Face,
        quarter_turns: u8,
        how: &CloseUp,
    ) -> Result<Option<Face>, DetectError> {
        let centre = face.rect.centre();
        // A whole number of halvings to less than twice the side: those are cheap.
        let wanted = face.rect.side() * how.factor;
        let step = (wanted / to_f32(how.side)).max(1.0).log2().floor().exp2();
        let reach = ((wanted / step).round() * step).max(1.0);
        // Even corners, so that a halved picture has them too.
        let even = |start: f32| (start / 2.0).round() * 2.0;
        let corner = Point::new(even(centre.x - reach / 2.0), even(centre.y - reach / 2.0));
        let window = Window {
            left: whole(corner.x),
            top: whole(corner.y),
            reach: scaled(1, reach),
            side: how.side,
            border: PADDING,
        };
        let Views {
            seen: lying,
            step,
            turned,
            ..
        } = self.views;
        self.picture.window_into(window, lying, step)?;
        let upright = lying.turned(quarter_turns, turned)?;
        let faces = self.detector.detect(upright, how.confidence_min)?;
        let middle = to_f32(how.side) / 2.0;
        let seen = super::nearest(&faces, Point::new(middle, middle)).and_then(|n| faces.get(n));
        let scale = reach / to_f32(how.side);
        let back = |p: Point| {
            let p = lying.unturn(quarter_turns, p);
            Point::new(p.x * scale + corner.x, p.y * scale + corner.y)
        };
        // The same face, not a neighbour: the coarse centre must lie in the new box.
        let is_same = |seen: &Face| seen.rect.contains(centre);
        Ok(seen.map(|seen| seen.map(back)).filter(is_same))
    }
}

/// One pass: the picture's longer side becomes `side × share`, centred on a canvas of `side` when
/// the share is below 1. The network is shown it in `seen`.
fn pass(
    detector: &mut dyn FaceDetector,
    picture: &Scales<'_>,
    how: &Pass,
    seen: &mut Picture,
    step: &mut Picture,
) -> Result<Found, DetectError> {
    let Pass { side, share, .. } = *how;
    let (width, height) = picture.full.size_f32();
    let scale = to_f32(side) * share / to_f32(picture.full.longer_side());
    if share < 1.0 {
        let margin = |length: f32| f64::from((to_f32(side) - length * scale) / 2.0);
        let scale = f64::from(scale);
        // Edges on edges; a warp speaks of centres, half a pixel further in.
        let shift = |length: f32| margin(length) + (scale - 1.0) / 2.0;
        let matrix = [[scale, 0.0, shift(width)], [0.0, scale, shift(height)]];
        let full = picture.full;
        full.warp_into(matrix, (side, side), PADDING, seen)?;
    } else {
        picture.resize_into(size_at(picture.full, scale), seen, step)?;
    }
    let (seen_width, seen_height) = seen.size_f32();
    // Rounding makes the two scales differ by a hair.
    let (scale_x, scale_y, left, top) = if share < 1.0 {
        let left = (seen_width - width * scale) / 2.0;
        let top = (seen_height - height * scale) / 2.0;
        (scale, scale, left, top)
    } else {
        (seen_width / width, seen_height / height, 0.0, 0.0)
    };
    let faces = detector.detect(seen, how.confidence_min)?;
    let back = |p: Point| Point::new((p.x - left) / scale_x, (p.y - top) / scale_y);
    Ok(Found {
        faces: mapped(faces, back),
        quarter_turns: 0,
        by_closer_looks: false,
        scale,
    })
}

fn best(faces: &[Face]) -> f32 {
    faces.iter().map(|face| face.confidence).fold(0.0, f32::max)
}

/// The faces with each of their points where `place` says, in the same memory.
fn mapped(faces: Vec<Face>, place: impl Fn(Point) -> Point) -> Vec<Face> {
    faces.into_iter().map(|face| face.map(&place)).collect()
}

/// Width and height of a picture when it is scaled.
fn size_at(picture: &Picture, scale: f32) -> (u32, u32) {
    let (width, height) = (picture.width(), picture.height());
    (scaled(width, scale), scaled(height, scale))
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(coordinate: f32) -> i32 {
    coordinate as i32
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
