//! Head angles from five landmarks: estimates good enough for a limit, not measurements.

use crate::sample::geometry::{Landmarks, Point};

/// Angles in degrees; 0 is frontal and upright.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Angles {
    /// Positive: the nose points to the right in the picture.
    pub yaw: f64,
    /// Positive: the nose points down.
    pub pitch: f64,
    /// Positive: tilted clockwise.
    pub roll: f64,
}

/// How far the tip of the nose stands out of the plane of the eyes, in inter-eye distances.
const NOSE_HEIGHT: f64 = 0.6;

/// From the line of the eyes to that of the mouth, in inter-eye distances.
const EYES_TO_MOUTH: f64 = 1.1;

/// Where the nose of a frontal face lies between the two lines: the median of LFW.
const NOSE_LEVEL: f64 = 0.571;

/// Angles of a head whose picture becomes upright by `quarter_turns` clockwise. `None` when the
/// landmarks coincide.
///
/// With the nose `h` in front of the plane of eyes and mouth, a turn by θ moves it sideways by
/// `h·sin θ` while the eyes draw together by `cos θ`: the ratio is `h·tan θ`. The same holds for a
/// nod along the line from the eyes to the mouth.
pub fn estimate(landmarks: &Landmarks, quarter_turns: u8) -> Option<Angles> {
    let eyes = landmarks.right_eye.midpoint(landmarks.left_eye);
    let mouth = landmarks
        .right_mouth_corner
        .midpoint(landmarks.left_mouth_corner);
    let across = vector(landmarks.right_eye, landmarks.left_eye);
    let down = vector(eyes, mouth);
    let nose = vector(eyes, landmarks.nose_tip);
    let across_square = dot(across, across);
    let normal = (-across.1, across.0);
    let depth = dot(down, normal);
    if across_square < 1e-6 || depth.abs() < 1e-6 {
        return None;
    }
    let sideways = dot(nose, across) / across_square;
    let level = dot(nose, normal) / depth;
    let roll = f64::from(landmarks.roll_degrees()) + 90.0 * f64::from(quarter_turns);
    Some(Angles {
        yaw: (sideways / NOSE_HEIGHT).atan().to_degrees(),
        pitch: ((level - NOSE_LEVEL) * EYES_TO_MOUTH / NOSE_HEIGHT)
            .atan()
            .to_degrees(),
        roll: (roll + 180.0).rem_euclid(360.0) - 180.0,
    })
}

fn vector(from: Point, to: Point) -> (f64, f64) {
    (
        f64::from(to.x) - f64::from(from.x),
        f64::from(to.y) - f64::from(from.y),
    )
}

fn dot(a: (f64, f64), b: (f64, f64)) -> f64 {
    a.0 * b.0 + a.1 * b.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::align::ARCFACE_112;

    fn frontal() -> Landmarks {
        Landmarks::from_points(ARCFACE_112.points)
    }

    fn turned(landmarks: &Landmarks, degrees: f32) -> Landmarks {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let turn = |p: Point| Point::new(cosine * p.x - sine * p.y, sine * p.x + cosine * p.y);
        Landmarks::from_points(landmarks.points().map(turn))
    }

    #[test]
    fn the_alignment_template_is_nearly_frontal() {
        let angles = estimate(&frontal(), 0).expect("a face");
        assert!(angles.yaw.abs() < 3.0 && angles.pitch.abs() < 10.0 && angles.roll.abs() < 1.0);
    }

    #[test]
    fn roll_does_not_change_yaw_and_pitch() {
        let upright = estimate(&frontal(), 0).expect("a face");
        let tilted = estimate(&turned(&frontal(), 20.0), 0).expect("a face");
        assert!((tilted.roll - upright.roll - 20.0).abs() < 1e-3);
        assert!((tilted.yaw - upright.yaw).abs() < 1e-3);
        assert!((tilted.pitch - upright.pitch).abs() < 1e-3);
    }

    #[test]
    fn a_nose_to_the_side_is_yaw() {
        let mut landmarks = frontal();
        landmarks.nose_tip.x += 0.6 * landmarks.inter_eye_px();
        let angles = estimate(&landmarks, 0).expect("a face");
        assert!((angles.yaw - 45.0).abs() < 2.0, "{angles:?}");
    }

    #[test]
    fn a_quarter_turn_is_not_roll() {
        for quarter_turns in 0..4_u8 {
            // Needs this many clockwise turns: it lies counterclockwise by as many.
            let lying = turned(&frontal(), -90.0 * f32::from(quarter_turns));
            let angles = estimate(&lying, quarter_turns).expect("a face");
            assert!(angles.roll.abs() < 1.0, "{quarter_turns}: {angles:?}");
        }
    }

    #[test]
    fn coinciding_landmarks_have_no_angles() {
        assert_eq!(
            estimate(&Landmarks::from_points([Point::default(); 5]), 0),
            None
        );
    }
}
