//! Points, boxes and the five landmarks, in pixels: origin top left, x right, y down.

/// A point in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Pixels from the left edge.
    pub x: f32,
    /// Pixels from the top edge.
    pub y: f32,
}

impl Point {
    /// A point at (`x`, `y`).
    #[must_use]
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Euclidean distance in pixels.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point half way to `other`.
    #[must_use]
    pub fn midpoint(self, other: Self) -> Self {
        Self::new(
            f32::midpoint(self.x, other.x),
            f32::midpoint(self.y, other.y),
        )
    }
}

/// An axis-aligned box. It may reach outside the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, ≥ 0.
    pub width: f32,
    /// Height, ≥ 0.
    pub height: f32,
}

impl Rect {
    /// Area in square pixels.
    #[must_use]
    pub fn area(self) -> f32 {
        self.width * self.height
    }

    /// Side of the square of the same area, pixels.
    #[must_use]
    pub fn side(self) -> f32 {
        self.area().max(0.0).sqrt()
    }

    /// Centre point.
    #[must_use]
    pub fn centre(self) -> Point {
        Point::new(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// The box with the same centre and `factor` times the sides.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        let centre = self.centre();
        let (width, height) = (self.width * factor, self.height * factor);
        Self {
            x: centre.x - width / 2.0,
            y: centre.y - height / 2.0,
            width,
            height,
        }
    }

    /// Area that both boxes cover, square pixels.
    #[must_use]
    pub fn intersection(self, other: Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn overlap(self, other: Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// Whether `point` lies in this box.
    #[must_use]
    pub fn contains(self, point: Point) -> bool {
        (self.x..=self.x + self.width).contains(&point.x)
            && (self.y..=self.y + self.height).contains(&point.y)
    }
}

/// Five landmarks; left and right as seen in the picture (the right eye is the person's own).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks {
    /// Centre of the person's right eye (on the left in the picture).
    pub right_eye: Point,
    /// Centre of the person's left eye.
    pub left_eye: Point,
    /// Tip of the nose.
    pub nose_tip: Point,
    /// The person's right corner of the mouth.
    pub right_mouth_corner: Point,
    /// The person's left corner of the mouth.
    pub left_mouth_corner: Point,
}

impl Landmarks {
    /// In the order of the models: right eye, left eye, nose tip, right and left mouth corner.
    #[must_use]
    pub const fn points(&self) -> [Point; 5] {
        [
            self.right_eye,
            self.left_eye,
            self.nose_tip,
            self.right_mouth_corner,
            self.left_mouth_corner,
        ]
    }

    /// From points in the order of [`Self::points`].
    #[must_use]
    pub const fn from_points(points: [Point; 5]) -> Self {
        let [
            right_eye,
            left_eye,
            nose_tip,
            right_mouth_corner,
            left_mouth_corner,
        ] = points;
        Self {
            right_eye,
            left_eye,
            nose_tip,
            right_mouth_corner,
            left_mouth_corner,
        }
    }

    /// Each landmark half way to its counterpart.
    #[must_use]
    pub fn midpoint(&self, other: &Self) -> Self {
        let mut points = self.points();
        for (point, other) in points.iter_mut().zip(other.points()) {
            *point = point.midpoint(other);
        }
        Self::from_points(points)
    }

    /// Distance between the eyes, pixels.
    #[must_use]
    pub fn inter_eye_px(&self) -> f32 {
        self.right_eye.distance(self.left_eye)
    }

    /// In-plane angle of the line through the eyes, degrees; 0 is level, positive is clockwise.
    #[must_use]
    pub fn roll_degrees(&self) -> f32 {
        let (dx, dy) = (
            self.left_eye.x - self.right_eye.x,
            self.left_eye.y - self.right_eye.y,
        );
        dy.atan2(dx).to_degrees()
    }
}

/// A detected face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Bounding box.
    pub rect: Rect,
    /// Landmarks.
    pub landmarks: Landmarks,
    /// Detection confidence, 0 to 1.
    pub confidence: f32,
}

impl Face {
    /// The face after `place` was applied to every point.
    ///
    /// The box is spanned by its two mapped corners, so `place` may scale, shift and turn by
    /// quarters.
    #[must_use]
    pub fn map(&self, place: impl Fn(Point) -> Point) -> Self {
        let first = place(Point::new(self.rect.x, self.rect.y));
        let second = place(Point::new(
            self.rect.x + self.rect.width,
            self.rect.y + self.rect.height,
        ));
        Self {
            rect: Rect {
                x: first.x.min(second.x),
                y: first.y.min(second.y),
                width: (first.x - second.x).abs(),
                height: (first.y - second.y).abs(),
            },
            landmarks: Landmarks::from_points(self.landmarks.points().map(place)),
            confidence: self.confidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rect = Rect {
        x: 0.0,
        y: 0.0,
        width: 2.0,
        height: 2.0,
    };

    #[test]
    fn overlap_is_one_for_itself_and_zero_when_apart() {
        assert!((UNIT.overlap(UNIT) - 1.0).abs() < 1e-6);
        assert!(UNIT.overlap(Rect { x: 5.0, ..UNIT }).abs() < 1e-6);
        let half = UNIT.overlap(Rect { x: 1.0, ..UNIT });
        assert!((half - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn an_empty_box_overlaps_nothing() {
        let empty = Rect {
            width: 0.0,
            height: 0.0,
            ..UNIT
        };
        assert!(empty.overlap(empty).abs() < 1e-6);
    }

    #[test]
    fn roll_is_positive_clockwise() {
        let mut landmarks = Landmarks::from_points([Point::default(); 5]);
        landmarks.left_eye = Point::new(10.0, 10.0);
        assert!((landmarks.roll_degrees() - 45.0).abs() < 1e-4);
    }
}
