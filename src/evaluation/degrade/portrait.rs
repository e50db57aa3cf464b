//! What enrolment offices make of a portrait.

use super::pixels;
use crate::sample::picture::{Picture, PixelError};

/// The red of a wall behind those born in odd years, and the blue for even ones.
pub const RED: [u8; 3] = [219, 21, 20];
/// See [`RED`].
pub const BLUE: [u8; 3] = [0, 112, 224];

/// How much of the wall's colour lies over everything: light that it throws back, and the white
/// balance that follows it.
const SPILL: f32 = 0.08;

/// An ellipse in shares of the width and height.
struct Ellipse {
    x: f32,
    y: f32,
    radius_x: f32,
    radius_y: f32,
}

/// Where the head of a portrait is, hair included.
const HEAD: Ellipse = Ellipse {
    x: 0.5,
    y: 0.46,
    radius_x: 0.32,
    radius_y: 0.42,
};

/// Where its shoulders are.
const SHOULDERS: Ellipse = Ellipse {
    x: 0.5,
    y: 1.05,
    radius_x: 0.5,
    radius_y: 0.35,
};

/// The edge between person and wall reaches from an ellipse to one that is so much larger.
const EDGE: f32 = 0.15;

/// Scaled down to fit in a width and height, its shape kept; as it is when it fits.
pub fn fit(picture: &Picture, size: (u32, u32)) -> Result<Picture, PixelError> {
    let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
    let (width_max, height_max) = (u64::from(size.0), u64::from(size.1));
    if width <= width_max && height <= height_max {
        return Ok(picture.clone());
    }
    // The side that is the tighter one fits exactly; the other is rounded to the nearest pixel.
    let scaled = |side: u64, max: u64, other: u64| (2 * side * max + other) / (2 * other);
    let (width, height) = if width * height_max >= height * width_max {
        (width_max, scaled(height, width_max, width))
    } else {
        (scaled(width, height_max, height), height_max)
    };
    let side = |side: u64| u32::try_from(side.max(1)).unwrap_or(u32::MAX);
    picture.resized(side(width), side(height))
}

/// The person of a portrait before a wall of this colour. Nobody looks where the person is: it is
/// taken to be where the person of a portrait is.
pub fn before_a_wall(picture: &Picture, wall: [u8; 3]) -> Picture {
    let (width, height) = picture.size_f32();
    pixels::each(picture, |(x, y), pixel| {
        let place = ((x + 0.5) / width, (y + 0.5) / height);
        let outside = HEAD.distance(place).min(SHOULDERS.distance(place));
        let share = ((outside - 1.0) / EDGE).clamp(0.0, 1.0);
        // Without a kink at either end.
        let share = (share * share * (3.0 - 2.0 * share)).max(SPILL);
        let mixed = |(value, wall): (u8, u8)| {
            pixels::to_byte(f32::from(value) * (1.0 - share) + f32::from(wall) * share)
        };
        let [red, green, blue] = pixel;
        let [wall_red, wall_green, wall_blue] = wall;
        [(red, wall_red), (green, wall_green), (blue, wall_blue)].map(mixed)
    })
}

impl Ellipse {
    /// 1 on the ellipse, less inside.
    fn distance(&self, (x, y): (f32, f32)) -> f32 {
        ((x - self.x) / self.radius_x).hypot((y - self.y) / self.radius_y)
    }
}
