//! Pictures to look for faces in: cut, scaled, turned, pasted, and empty ones.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use padan::sample::geometry::{Point, Rect};

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side, rounded"
)]
pub fn to_px(length: f32) -> u32 {
    length.round().max(1.0) as u32
}

#[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
pub fn to_f32(px: u32) -> f32 {
    px as f32
}

/// The part of `picture` that `area` covers.
pub fn cropped(picture: &RgbImage, area: Rect) -> RgbImage {
    let (x, y) = (area.x.max(0.0), area.y.max(0.0));
    let width = (area.x + area.width).min(to_f32(picture.width())) - x;
    let height = (area.y + area.height).min(to_f32(picture.height())) - y;
    let [x, y] = [x, y].map(|edge| to_px(edge + 1.0) - 1);
    imageops::crop_imm(picture, x, y, to_px(width), to_px(height)).to_image()
}

/// `picture` with this longer side.
pub fn with_longer_side(picture: &RgbImage, side: u32) -> RgbImage {
    let scale = to_f32(side) / to_f32(picture.width().max(picture.height()));
    let [width, height] = [picture.width(), picture.height()].map(|px| to_px(to_f32(px) * scale));
    imageops::resize(picture, width, height, FilterType::CatmullRom)
}

/// The middle of `picture` as a portrait of exactly this size.
pub fn as_portrait(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (seen_width, seen_height) = (to_f32(picture.width()), to_f32(picture.height()));
    let scale = (seen_width / to_f32(width)).min(seen_height / to_f32(height));
    let (width_in, height_in) = (to_f32(width) * scale, to_f32(height) * scale);
    let area = Rect {
        x: (seen_width - width_in) / 2.0,
        y: (seen_height - height_in) / 2.0,
        width: width_in,
        height: height_in,
    };
    imageops::resize(&cropped(picture, area), width, height, FilterType::Triangle)
}

/// A smooth picture without anything in it.
pub fn gradient(width: u32, height: u32) -> RgbImage {
    let share = |at: u32, of: u32| u8::try_from(at * 200 / of.max(1)).expect("at most 200");
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([share(x, width), share(y, height), 200 - share(x, width)])
    })
}

pub fn pasted(onto: &RgbImage, picture: &RgbImage, x: u32, y: u32) -> RgbImage {
    let mut result = onto.clone();
    imageops::replace(&mut result, picture, x.into(), y.into());
    result
}

/// The picture turned clockwise, and where a point of the upright one lies in it.
pub fn turned(picture: &RgbImage, quarters: u8, point: Point) -> (RgbImage, Point) {
    let (width, height) = (to_f32(picture.width()), to_f32(picture.height()));
    match quarters {
        1 => (
            imageops::rotate90(picture),
            Point::new(height - point.y, point.x),
        ),
        2 => (
            imageops::rotate180(picture),
            Point::new(width - point.x, height - point.y),
        ),
        _ => (
            imageops::rotate270(picture),
            Point::new(point.y, width - point.x),
        ),
    }
}

/// Noise that is the same on every machine: a linear congruential generator (Numerical Recipes).
pub fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    RgbImage::from_fn(width, height, |_, _| Rgb([next(), next(), next()]))
}
