//! `PReLU` on 8-bit feature maps: what the 8-bit networks need between two convolutions, and ONNX
//! Runtime does not have.
//!
//! A convolution's 8-bit output has its own range in each channel, and the next convolution wants
//! another. Per channel, with `d = x − threshold`:
//!
//! ```text
//! y = clamp(round(d · (d > 0 ? positive : negative) + zero_point), 0, 255)
//! ```
//!
//! `positive` is the ratio of the two scales, `negative` the same times the channel's slope
//! (`PReLU`: He et al., "Delving Deep into Rectifiers", 2015). Rounds half to even, as the
//! function of the same name inside the model files does: both give the same bytes.

use pulp::Arch;

/// Constants of one `PReLU`, channel by channel.
#[derive(Debug, Clone)]
pub struct QuantizedPrelu {
    threshold: Vec<f32>,
    positive: Vec<f32>,
    negative: Vec<f32>,
    zero_point: f32,
    arch: Arch,
}

/// The constants are not those of a `PReLU`. Says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreluError {
    /// One has another length than the others, or there are none.
    #[error("threshold, positive and negative must have one number for each channel")]
    Channels,
    /// A factor is not a number.
    #[error("positive and negative must be finite")]
    NotFinite,
}

impl QuantizedPrelu {
    /// A `PReLU` of these constants, one for each channel.
    ///
    /// # Errors
    /// When their lengths differ or a factor is not finite.
    pub fn new(
        threshold: &[u8],
        positive: &[f32],
        negative: &[f32],
        zero_point: u8,
    ) -> Result<Self, PreluError> {
        let channels = threshold.len();
        if channels == 0 || positive.len() != channels || negative.len() != channels {
            return Err(PreluError::Channels);
        }
        if !positive.iter().chain(negative).all(|f| f.is_finite()) {
            return Err(PreluError::NotFinite);
        }
        Ok(Self {
            threshold: threshold.iter().copied().map(f32::from).collect(),
            positive: positive.to_vec(),
            negative: negative.to_vec(),
            zero_point: f32::from(zero_point),
            arch: Arch::new(),
        })
    }

    /// How many channels it has.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.threshold.len()
    }

    /// Maps `input` to `output`: pixels of [`Self::channels`] values each. A rest that is no whole
    /// pixel, or has no counterpart, is left alone.
    pub fn apply(&self, input: &[u8], output: &mut [u8]) {
        // The same loop, compiled for the vector units this machine has.
        self.arch.dispatch(
            #[inline(always)]
            || {
                let channels = self.channels();
                let rows = input.chunks_exact(channels);
                for (row, target) in rows.zip(output.chunks_exact_mut(channels)) {
                    self.apply_pixel(row, target);
                }
            },
        );
    }

    #[expect(
        clippy::inline_always,
        reason = "must become part of the dispatched loop"
    )]
    #[inline(always)]
    fn apply_pixel(&self, row: &[u8], target: &mut [u8]) {
        let constants = (self.threshold.iter().zip(&self.positive)).zip(&self.negative);
        for ((x, y), ((threshold, positive), negative)) in row.iter().zip(target).zip(constants) {
            let distance = f32::from(*x) - threshold;
            // One of the products is 0. A choice of the factor would become two gathers.
            let value = distance.max(0.0) * positive + distance.min(0.0) * negative;
            *y = round_to_byte((value + self.zero_point).clamp(0.0, 255.0));
        }
    }
}

/// The nearest integer of a value in 0 to 255, half to even.
#[inline(always)]
fn round_to_byte(value: f32) -> u8 {
    // From 2^23 on, floats are integers: the addition rounds, and the number stands in the lowest
    // bits. Unlike `round_ties_even` this is one instruction on every machine, and it vectorises.
    const TWO_TO_23: f32 = 8_388_608.0;
    let [lowest, ..] = (value + TWO_TO_23).to_bits().to_le_bytes();
    lowest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_sides_of_the_threshold_have_their_own_factor() {
        let prelu = QuantizedPrelu::new(&[100, 0], &[0.5, 2.0], &[0.25, 9.0], 20).expect("sound");
        let mut output = [0; 6];
        prelu.apply(&[110, 0, 100, 3, 80, 200], &mut output);
        // 20 + 10 / 2; 20 + 0; 20; 20 + 3 × 2; 20 − 20 / 4; beyond 255.
        assert_eq!(output, [25, 20, 20, 26, 15, 255]);
    }

    #[test]
    fn halves_round_to_even_as_the_function_in_the_model_does() {
        let prelu = QuantizedPrelu::new(&[0], &[0.5], &[0.5], 0).expect("sound");
        let mut output = [0; 4];
        prelu.apply(&[1, 3, 5, 7], &mut output);
        assert_eq!(output, [0, 2, 2, 4]);
    }

    #[test]
    fn constants_of_no_prelu_are_refused() {
        let refused = |t: &[u8], p: &[f32], n: &[f32]| QuantizedPrelu::new(t, p, n, 0).err();
        assert_eq!(refused(&[], &[], &[]), Some(PreluError::Channels));
        assert_eq!(refused(&[1], &[1.0], &[]), Some(PreluError::Channels));
        let not_finite = refused(&[1], &[f32::NAN], &[1.0]);
        assert_eq!(not_finite, Some(PreluError::NotFinite));
    }

    proptest! {
        /// Every width, so that the vector loop and its rest are both met.
        #[test]
        fn any_width_gives_what_one_value_at_a_time_gives(
            constants in prop::collection::vec((any::<u8>(), -4.0_f32..4.0, -4.0_f32..4.0), 1..80),
            zero_point: u8,
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let threshold: Vec<u8> = constants.iter().map(|c| c.0).collect();
            let positive: Vec<f32> = constants.iter().map(|c| c.1).collect();
            let negative: Vec<f32> = constants.iter().map(|c| c.2).collect();
            let prelu = QuantizedPrelu::new(&threshold, &positive, &negative, zero_point)
                .expect("sound");
            let mut output = vec![0; bytes.len()];
            prelu.apply(&bytes, &mut output);
            let whole = bytes.len() / constants.len() * constants.len();
            for (n, (x, y)) in bytes.iter().zip(&output).enumerate() {
                let (threshold, positive, negative) = constants[n % constants.len()];
                let distance = f32::from(*x) - f32::from(threshold);
                let factor = if distance > 0.0 { positive } else { negative };
                let value = (distance * factor + f32::from(zero_point)).clamp(0.0, 255.0);
                let expected = if n < whole { value.round_ties_even() as u8 } else { 0 };
                prop_assert_eq!(*y, expected);
            }
        }
    }
}
