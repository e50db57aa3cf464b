//! Decoded pixels, and the few geometric operations on them. OpenCV works here, on pixels only.

use std::sync::Once;

use opencv::{
    core::{Mat, MatTraitConst, Scalar, Size, ToInputArray, Vec3b},
    imgproc,
};

use super::geometry::Point;

/// OpenCV refused an operation on pixels: a bug or exhausted memory, never the caller's fault.
#[derive(Debug, thiserror::Error)]
#[error("image operation {operation} failed with OpenCV code {code}")]
pub struct PixelError {
    operation: &'static str,
    code: i32,
}

impl PixelError {
    /// Keeps the code only: OpenCV's texts carry expressions and paths of its build.
    pub(super) fn new(operation: &'static str, error: &opencv::Error) -> Self {
        Self {
            operation,
            code: error.code,
        }
    }
}

/// An 8-bit RGB picture, rows from top to bottom without padding.
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    /// Size only: pixels of a face never reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Picture({}×{})", self.width, self.height)
    }
}

impl Picture {
    /// A picture of `rgb` bytes; `None` unless there are exactly `width × height × 3` and at
    /// least one pixel.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let expected = usize::try_from(u64::from(width) * u64::from(height) * 3).ok()?;
        (expected > 0 && rgb.len() == expected).then_some(Self { width, height, rgb })
    }

    /// One colour everywhere. Sides of 0 become 1.
    #[must_use]
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let pixels = width as usize * height as usize;
        Self {
            width,
            height,
            rgb: colour.repeat(pixels),
        }
    }

    /// Width in pixels, ≥ 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, ≥ 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The longer side in pixels.
    #[must_use]
    pub fn longer_side(&self) -> u32 {
        self.width.max(self.height)
    }

    /// `width × height × 3` bytes, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Width and height as floats, for geometry.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
    pub fn size_f32(&self) -> (f32, f32) {
        (self.width as f32, self.height as f32)
    }

    /// Warps with a 2×3 matrix that maps source pixels to pixels of the result (bilinear; what
    /// lies outside becomes `border`).
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn warp(
        &self,
        matrix: [[f64; 3]; 2],
        width: u32,
        height: u32,
        border: u8,
    ) -> Result<Self, PixelError> {
        let failed = |error: opencv::Error| PixelError::new("warpAffine", &error);
        let mut result = Self::filled(width, height, [border; 3]);
        let size = result.cv_size();
        {
            let source = self.as_mat()?;
            let mut target = result.as_mat_mut()?;
            let transform = Mat::from_slice_2d(&matrix).map_err(failed)?;
            imgproc::warp_affine(
                &source,
                &mut target,
                &transform,
                size,
                imgproc::INTER_LINEAR,
                opencv::core::BORDER_CONSTANT,
                Scalar::all(f64::from(border)),
            )
            .map_err(failed)?;
        }
        Ok(result)
    }

    /// Scales to the given size.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, PixelError> {
        scaled(&self.as_mat()?, width, height)
    }

    /// The square of `reach` pixels from (`left`, `top`), scaled to `side` pixels; what lies
    /// outside the picture becomes `border`.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn window(
        &self,
        (left, top): (i32, i32),
        reach: u32,
        side: u32,
        border: u8,
    ) -> Result<Self, PixelError> {
        let end = |start: i32| u32::try_from(start).ok()?.checked_add(reach);
        let is_inside = end(left).is_some_and(|right| right <= self.width)
            && end(top).is_some_and(|bottom| bottom <= self.height);
        if !is_inside || reach < side {
            let scale = f64::from(side) / f64::from(reach.max(1));
            let shift = |start: i32| -f64::from(start) * scale;
            let matrix = [[scale, 0.0, shift(left)], [0.0, scale, shift(top)]];
            return self.warp(matrix, side, side, border);
        }
        let source = self.as_mat()?;
        let reach = i32::try_from(reach).unwrap_or(i32::MAX);
        let square = opencv::core::Rect::new(left, top, reach, reach);
        let source = Mat::roi(&source, square).map_err(|error| PixelError::new("roi", &error))?;
        // A warp would skip pixels, and their noise would move the landmarks.
        scaled(&source, side, side)
    }

    /// Turned clockwise by `quarters` × 90°.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn turned(&self, quarters: u8) -> Result<Self, PixelError> {
        let code = match quarters % 4 {
            0 => return Ok(self.clone()),
            1 => opencv::core::ROTATE_90_CLOCKWISE,
            2 => opencv::core::ROTATE_180,
            _ => opencv::core::ROTATE_90_COUNTERCLOCKWISE,
        };
        let swapped = quarters % 2 == 1;
        let (width, height) = if swapped {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        let mut result = Self::filled(width, height, [0; 3]);
        {
            let source = self.as_mat()?;
            let mut target = result.as_mat_mut()?;
            opencv::core::rotate(&source, &mut target, code)
                .map_err(|error| PixelError::new("rotate", &error))?;
        }
        Ok(result)
    }

    /// Where a point of [`Self::turned`]`(quarters)` lies in this picture.
    #[must_use]
    pub fn unturn(&self, quarters: u8, point: Point) -> Point {
        let (width, height) = self.size_f32();
        match quarters % 4 {
            0 => point,
            1 => Point::new(point.y, height - point.x),
            2 => Point::new(width - point.x, height - point.y),
            _ => Point::new(width - point.y, point.x),
        }
    }

    /// Luminance (ITU-R BT.601), one byte a pixel.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn luminance(&self) -> Result<Vec<u8>, PixelError> {
        let failed = |error: opencv::Error| PixelError::new("cvtColor", &error);
        let mut grey = vec![0_u8; self.rgb.len() / 3];
        {
            let source = self.as_mat()?;
            let (rows, columns) = (source.rows(), source.cols());
            let mut target = Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, &mut grey)
                .map_err(failed)?;
            imgproc::cvt_color_def(&source, &mut target, imgproc::COLOR_RGB2GRAY)
                .map_err(failed)?;
        }
        Ok(grey)
    }

    fn as_mat(&self) -> Result<opencv::boxed_ref::BoxedRef<'_, Mat>, PixelError> {
        static ONE_THREAD: Once = Once::new();
        // A lane is the unit of parallelism: threads of OpenCV's own would only compete with them.
        ONE_THREAD.call_once(|| drop(opencv::core::set_num_threads(1)));
        let size = self.cv_size();
        Mat::new_rows_cols_with_bytes::<Vec3b>(size.height, size.width, &self.rgb)
            .map_err(|error| PixelError::new("Mat", &error))
    }

    fn as_mat_mut(&mut self) -> Result<opencv::boxed_ref::BoxedRefMut<'_, Mat>, PixelError> {
        let size = self.cv_size();
        Mat::new_rows_cols_with_bytes_mut::<Vec3b>(size.height, size.width, &mut self.rgb)
            .map_err(|error| PixelError::new("Mat", &error))
    }

    #[expect(clippy::cast_possible_wrap, reason = "sides are far below 2^31")]
    fn cv_size(&self) -> Size {
        Size::new(self.width as i32, self.height as i32)
    }
}

/// Scales pixels to `width × height`.
///
/// Halves while it may and only then interpolates: OpenCV averages squares of four pixels some ten
/// times faster than areas of another ratio.
fn scaled(
    source: &(impl MatTraitConst + ToInputArray),
    width: u32,
    height: u32,
) -> Result<Picture, PixelError> {
    let even_half = |length: i32| match u32::try_from(length) {
        Ok(length) if length % 2 == 0 => Some(length / 2),
        _ => None,
    };
    if let (Some(half_width), Some(half_height)) =
        (even_half(source.cols()), even_half(source.rows()))
        && half_width >= width
        && half_height >= height
    {
        let half = resized(source, half_width, half_height, imgproc::INTER_AREA)?;
        if (half_width, half_height) == (width, height) {
            return Ok(half);
        }
        return scaled(&half.as_mat()?, width, height);
    }
    let skips_pixels = u32::try_from(source.cols()).is_ok_and(|columns| columns > 2 * width);
    let how = if skips_pixels {
        imgproc::INTER_AREA
    } else {
        imgproc::INTER_LINEAR
    };
    resized(source, width, height, how)
}

fn resized(
    source: &(impl MatTraitConst + ToInputArray),
    width: u32,
    height: u32,
    how: i32,
) -> Result<Picture, PixelError> {
    let mut result = Picture::filled(width, height, [0; 3]);
    let size = result.cv_size();
    {
        let mut target = result.as_mat_mut()?;
        imgproc::resize(source, &mut target, size, 0.0, 0.0, how)
            .map_err(|error| PixelError::new("resize", &error))?;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3×2: the red channel counts pixels.
    fn counted() -> Picture {
        Picture::new(3, 2, (0..6).flat_map(|n| [n, 0, 0]).collect()).expect("sizes agree")
    }

    fn red_at(picture: &Picture, x: u32, y: u32) -> u8 {
        picture.rgb()[((y * picture.width() + x) * 3) as usize]
    }

    #[test]
    fn a_picture_needs_exactly_its_bytes() {
        assert!(Picture::new(2, 2, vec![0; 11]).is_none());
        assert!(Picture::new(0, 2, vec![]).is_none());
        assert!(Picture::new(2, 2, vec![0; 12]).is_some());
    }

    #[test]
    fn unturn_undoes_turned() {
        let picture = counted();
        for quarters in 0..4 {
            let turned = picture.turned(quarters).expect("turns");
            for y in 0..turned.height() {
                for x in 0..turned.width() {
                    // Pixel centres map to pixel centres.
                    let centre = Point::new(x as f32 + 0.5, y as f32 + 0.5);
                    let there = picture.unturn(quarters, centre);
                    let value = red_at(&picture, there.x as u32, there.y as u32);
                    assert_eq!(red_at(&turned, x, y), value, "{quarters} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn debug_shows_no_pixels() {
        assert_eq!(format!("{:?}", counted()), "Picture(3×2)");
    }

    #[test]
    fn a_window_is_scaled_and_has_a_border_outside() {
        let left_red = (0..16 * 16).flat_map(|n| if n % 16 < 8 { [200, 0, 0] } else { [0; 3] });
        let picture = Picture::new(16, 16, left_red.collect()).expect("sizes agree");
        let inside = picture.window((4, 4), 8, 2, 9).expect("works");
        assert_eq!(inside.rgb(), [200, 0, 0, 0, 0, 0].repeat(2));
        for corner in [
            (-40, 0),
            (0, -40),
            (17, 0),
            (0, i32::MAX - 50),
            (i32::MIN, 0),
        ] {
            let outside = picture.window(corner, 16, 4, 9).expect("works");
            assert_eq!(outside.rgb(), [9; 48], "{corner:?}");
        }
        let enlarged = picture.window((0, 0), 4, 8, 9).expect("works");
        assert_eq!(red_at(&enlarged, 2, 2), 200);
    }

    #[test]
    fn resizing_keeps_a_flat_colour() {
        let flat = Picture::filled(10, 10, [7, 8, 9]);
        assert_eq!(
            flat.resized(3, 4).expect("resizes").rgb(),
            [7, 8, 9].repeat(12)
        );
        assert_eq!(
            flat.resized(13, 14).expect("resizes").rgb(),
            [7, 8, 9].repeat(182)
        );
        assert_eq!(flat.resized(1, 1).expect("resizes").rgb(), [7, 8, 9]);
    }

    #[test]
    fn shrinking_averages_all_pixels() {
        // Columns of 0 and 200 in turn: whoever skips pixels sees only one of them.
        let stripes = (0..64 * 48).flat_map(|n| [if n % 2 == 0 { 0 } else { 200 }; 3]);
        let picture = Picture::new(64, 48, stripes.collect()).expect("sizes agree");
        for (width, height) in [(32, 24), (16, 12), (12, 9), (10, 7)] {
            let small = picture.resized(width, height).expect("resizes");
            let near = |value: &u8| (95..=105).contains(value);
            assert!(small.rgb().iter().all(near), "{width}×{height}");
        }
    }
}
