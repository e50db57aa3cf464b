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

/// A buffer above this is given back after a sample: one large picture must not hold memory for
/// good. The half of a full HD picture stays below.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// An 8-bit RGB picture, rows from top to bottom without padding.
///
/// Where a picture is a buffer (`target`, `step`), it is given the size it needs and overwritten
/// whole; memory is allocated only when it never was so large before.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    /// A buffer may have held a larger picture: what follows this one's bytes is of no meaning.
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    /// Size only: pixels of a face never reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Picture({}×{})", self.width, self.height)
    }
}

/// A square to look at, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Left edge, pixels; the square may reach beyond the picture.
    pub left: i32,
    /// Top edge, pixels.
    pub top: i32,
    /// Side of the square, pixels.
    pub reach: u32,
    /// Pixels that the side is scaled to.
    pub side: u32,
    /// What lies outside the picture becomes this grey.
    pub border: u8,
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.height, self.rgb()) == (other.width, other.height, other.rgb())
    }
}

impl Default for Picture {
    /// One black pixel: a buffer before its first use.
    fn default() -> Self {
        Self::filled(1, 1, [0; 3])
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
        self.rgb.get(..self.bytes()).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    /// Width and height as floats, for geometry.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sides are far below 2^24")]
    pub fn size_f32(&self) -> (f32, f32) {
        (self.width as f32, self.height as f32)
    }

    /// Warps into `target` with a 2×3 matrix that maps source pixels to pixels of the result, which
    /// are `width × height` (bilinear; what lies outside becomes `border`).
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn warp_into(
        &self,
        matrix: [[f64; 3]; 2],
        (width, height): (u32, u32),
        border: u8,
        target: &mut Self,
    ) -> Result<(), PixelError> {
        let failed = |error: opencv::Error| PixelError::new("warpAffine", &error);
        target.reshape(width, height);
        let size = target.cv_size();
        let numbers = matrix.as_flattened();
        let transform = Mat::new_rows_cols_with_data(2, 3, numbers).map_err(failed)?;
        imgproc::warp_affine(
            &self.as_mat()?,
            &mut target.as_mat_mut()?,
            &transform,
            size,
            imgproc::INTER_LINEAR,
            opencv::core::BORDER_CONSTANT,
            Scalar::all(f64::from(border)),
        )
        .map_err(failed)
    }

    /// Scales to the given size.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, PixelError> {
        let (mut target, mut step) = (Self::default(), Self::default());
        self.resize_into((width, height), &mut target, &mut step)?;
        Ok(target)
    }

    /// Scales into `target`; `step` holds what is halved on the way.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn resize_into(
        &self,
        size: (u32, u32),
        target: &mut Self,
        step: &mut Self,
    ) -> Result<(), PixelError> {
        scale(&self.as_mat()?, size, target, step)
    }

    /// Blurred by a Gaussian whose standard deviation is `sigma` pixels, above 0; what lies outside
    /// is mirrored.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn blurred(&self, sigma: f64) -> Result<Self, PixelError> {
        let mut target = Self::default();
        target.reshape(self.width, self.height);
        // A size of 0: as large as this deviation needs.
        let size = Size::new(0, 0);
        imgproc::gaussian_blur_def(&self.as_mat()?, &mut target.as_mat_mut()?, size, sigma)
            .map_err(|error| PixelError::new("GaussianBlur", &error))?;
        Ok(target)
    }

    /// Scales to half the width and height, which must be even, into `target`.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn halve_into(&self, target: &mut Self) -> Result<(), PixelError> {
        resize(&self.as_mat()?, (self.width / 2, self.height / 2), target)
    }

    /// Puts what a window shows into `target`; `step` holds what is halved on the way.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn window_into(
        &self,
        window: Window,
        target: &mut Self,
        step: &mut Self,
    ) -> Result<(), PixelError> {
        let Window {
            left,
            top,
            reach,
            side,
            border,
        } = window;
        let end = |start: i32| u32::try_from(start).ok()?.checked_add(reach);
        let is_inside = end(left).is_some_and(|right| right <= self.width)
            && end(top).is_some_and(|bottom| bottom <= self.height);
        if !is_inside || reach < side {
            let scale = f64::from(side) / f64::from(reach.max(1));
            // Edges on edges, as everywhere here; a warp speaks of centres, half a pixel in.
            let shift = |start: i32| (0.5 - f64::from(start)) * scale - 0.5;
            let matrix = [[scale, 0.0, shift(left)], [0.0, scale, shift(top)]];
            return self.warp_into(matrix, (side, side), border, target);
        }
        let source = self.as_mat()?;
        let reach = i32::try_from(reach).unwrap_or(i32::MAX);
        let square = opencv::core::Rect::new(left, top, reach, reach);
        let source = Mat::roi(&source, square).map_err(|error| PixelError::new("roi", &error))?;
        // A warp would skip pixels, and their noise would move the landmarks.
        scale(&source, (side, side), target, step)
    }

    /// Turned clockwise by `quarters` × 90°: in `buffer`, unless there is nothing to turn.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn turned<'a>(
        &'a self,
        quarters: u8,
        buffer: &'a mut Self,
    ) -> Result<&'a Self, PixelError> {
        let (code, (width, height)) = match quarters % 4 {
            0 => return Ok(self),
            1 => (opencv::core::ROTATE_90_CLOCKWISE, (self.height, self.width)),
            2 => (opencv::core::ROTATE_180, (self.width, self.height)),
            _ => (
                opencv::core::ROTATE_90_COUNTERCLOCKWISE,
                (self.height, self.width),
            ),
        };
        buffer.reshape(width, height);
        opencv::core::rotate(&self.as_mat()?, &mut buffer.as_mat_mut()?, code)
            .map_err(|error| PixelError::new("rotate", &error))?;
        Ok(buffer)
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

    /// Luminance (ITU-R BT.601), one byte a pixel, instead of what `grey` held.
    ///
    /// # Errors
    /// When OpenCV fails.
    pub fn luminance_into(&self, grey: &mut Vec<u8>) -> Result<(), PixelError> {
        let failed = |error: opencv::Error| PixelError::new("cvtColor", &error);
        grey.resize(self.bytes() / 3, 0);
        let source = self.as_mat()?;
        let (rows, columns) = (source.rows(), source.cols());
        let mut target =
            Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, grey).map_err(failed)?;
        imgproc::cvt_color_def(&source, &mut target, imgproc::COLOR_RGB2GRAY).map_err(failed)
    }

    /// Makes a buffer black: nothing of its picture is left, nor of any it held before. The memory
    /// is kept for the next picture, unless it is much.
    pub fn wipe(&mut self) {
        if self.rgb.capacity() > KEPT_BYTES_MAX {
            *self = Self::default();
        } else {
            self.rgb.fill(0);
        }
    }

    /// Gives a buffer another size, for all of it to be written next. Sides of 0 become 1.
    fn reshape(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width.max(1), height.max(1));
        // Never shorter: what is cut off would stay in memory where no wipe reaches it. Nor does
        // one reach what is left behind when there is no room to grow in.
        let bytes = self.bytes().max(self.rgb.len());
        if bytes > self.rgb.capacity() {
            self.rgb.fill(0);
        }
        self.rgb.resize(bytes, 0);
    }

    fn as_mat(&self) -> Result<opencv::boxed_ref::BoxedRef<'_, Mat>, PixelError> {
        static ONE_THREAD: Once = Once::new();
        // A lane is the unit of parallelism: threads of OpenCV's own would only compete with them.
        ONE_THREAD.call_once(|| drop(opencv::core::set_num_threads(1)));
        let size = self.cv_size();
        Mat::new_rows_cols_with_bytes::<Vec3b>(size.height, size.width, self.rgb())
            .map_err(|error| PixelError::new("Mat", &error))
    }

    fn as_mat_mut(&mut self) -> Result<opencv::boxed_ref::BoxedRefMut<'_, Mat>, PixelError> {
        let size = self.cv_size();
        let bytes = self.bytes();
        let rgb = self.rgb.get_mut(..bytes).unwrap_or_default();
        Mat::new_rows_cols_with_bytes_mut::<Vec3b>(size.height, size.width, rgb)
            .map_err(|error| PixelError::new("Mat", &error))
    }

    #[expect(clippy::cast_possible_wrap, reason = "sides are far below 2^31")]
    fn cv_size(&self) -> Size {
        Size::new(self.width as i32, self.height as i32)
    }
}

/// Scales pixels to `wanted` (width and height) in `target`.
///
/// Halves while it may and only then interpolates: OpenCV averages squares of four pixels some ten
/// times faster than areas of another ratio.
fn scale(
    source: &(impl MatTraitConst + ToInputArray),
    wanted: (u32, u32),
    target: &mut Picture,
    step: &mut Picture,
) -> Result<(), PixelError> {
    let wanted = (wanted.0.max(1), wanted.1.max(1));
    resize(source, wanted, target)?;
    while (target.width, target.height) != wanted {
        std::mem::swap(target, step);
        resize(&step.as_mat()?, wanted, target)?;
    }
    Ok(())
}

/// The next step towards `wanted`: half the size, or `wanted` itself when half would be too small.
fn resize(
    source: &(impl MatTraitConst + ToInputArray),
    (width, height): (u32, u32),
    target: &mut Picture,
) -> Result<(), PixelError> {
    let even_half = |length: i32| match u32::try_from(length) {
        Ok(length) if length % 2 == 0 => Some(length / 2),
        _ => None,
    };
    let halves = even_half(source.cols()).zip(even_half(source.rows()));
    let skips_pixels = u32::try_from(source.cols()).is_ok_and(|columns| columns > 2 * width);
    let ((width, height), how) = match halves {
        Some(half) if half.0 >= width && half.1 >= height => (half, imgproc::INTER_AREA),
        _ if skips_pixels => ((width, height), imgproc::INTER_AREA),
        _ => ((width, height), imgproc::INTER_LINEAR),
    };
    target.reshape(width, height);
    let size = target.cv_size();
    imgproc::resize(source, &mut target.as_mat_mut()?, size, 0.0, 0.0, how)
        .map_err(|error| PixelError::new("resize", &error))
}

#[cfg(test)]
mod tests;
