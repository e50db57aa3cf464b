//! A network from its exporter's form into the one padan serves, and the proof that it computes the
//! same.

use bytes::Bytes;

use super::graph::{GraphError, OnnxModel};
use super::trial::{Port, Trial, TrialError, ports_text};
use super::{Element, Runtime};
use crate::digest::sha256_hex;

/// Least cosine between what the prepared network makes of a crop and what the given one does. They
/// differ by rounding only.
pub const COSINE_MIN: f64 = 0.9999;

/// Sides of made-up crops for a network that takes any.
const ANY_SIDE: usize = 112;

/// Largest crop of a network that is tried, numbers: one of 1024 × 1024.
const CROP_NUMBERS_MAX: usize = 3 << 20;

/// Largest batch of crops, numbers: 256 of 112 × 112 are fewer.
const BATCH_NUMBERS_MAX: usize = 4 * CROP_NUMBERS_MAX;

/// Made-up crops of each range of numbers; the batch that they are run in.
const CROPS: usize = 3;

/// A network cannot be prepared. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The runtime refuses the file as it was given.
    #[error("the file does not run as it is: {0}")]
    Given(TrialError),
    /// It is no network of faces.
    #[error(
        "a face network has one input of four dimensions, [batch, 3, height, width] or [batch, \
         height, width, 3], of float32 or uint8; this one has: {0}"
    )]
    NoImage(String),
    /// There is nothing to compare.
    #[error("a face network has an output of float32; this one has: {0}")]
    NoFloats(String),
    /// Nobody can say whether it still computes the same.
    #[error(
        "output {0} of the given file is not finite for made-up crops, so nothing can be compared: \
         export the network again"
    )]
    NotFinite(String),
    /// The prepared network is another.
    #[error(
        "the prepared network does not compute what the given one does ({0}), so it was not \
         written. If the batch is fixed at a number above 1, export the network again with one \
         that may vary (`dynamic_axes`)"
    )]
    Differs(String),
}

/// What was done to a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The new file.
    pub content: Vec<u8>,
    /// Weights that stood among the graph's inputs.
    pub weight_inputs: usize,
    /// `PRelu`s that were rewritten.
    pub prelus: usize,
    /// Reshapes to a fixed batch that were freed.
    pub reshapes: usize,
    /// The batch that the given file was fixed to, where it is free now.
    pub batch_was: Option<i64>,
    /// Weights that led to no output.
    pub dropped: usize,
    /// What could not be done, one sentence each.
    pub notes: Vec<String>,
    /// Least cosine between the outputs of both files.
    pub cosine: f64,
    /// How often each operator occurs in the new file.
    pub operators: String,
}

/// Rewrites `content`, the bytes of a file of this name, and compares the result with it on
/// made-up crops.
///
/// # Errors
/// When the file is no network of faces, or the result computes something else.
pub fn prepare(runtime: &Runtime, content: &Bytes, name: &str) -> Result<Prepared, PrepareError> {
    let digest = sha256_hex(content);
    let mut network = OnnxModel::read(content.clone())?;
    let shown = network.showing(&network.tensors_to_know()).encode();
    // Some tensors cannot be outputs; then less is known, and less is rewritten.
    let shapes = Trial::load(runtime, &shown).map(|trial| trial.output_shapes());
    drop(shown);
    let mut given = Trial::load(runtime, content).map_err(PrepareError::Given)?;
    let image = Image::of(&given)?;
    let shapes = shapes.unwrap_or_default();
    let weight_inputs = network.drop_weight_inputs();
    let prelus = network.rewrite_prelus(&shapes);
    let mut kept = network.clone();
    let freed = network.free_batch(&shapes);
    let outputs = image.outputs_of_given(&mut given)?;
    drop(given);
    let mut done = Prepared {
        content: Vec::new(),
        weight_inputs,
        prelus: prelus.count,
        reshapes: freed.reshapes,
        batch_was: freed.was,
        dropped: network.tidy(),
        notes: prelus.left,
        cosine: 0.0,
        operators: network.operators(),
    };
    let provenance = [("padan.source", name), ("padan.source_sha256", &digest)];
    network.record(&provenance);
    done.content = network.encode();
    match image.compare(runtime, &done.content, &outputs, true) {
        Ok(cosine) => {
            done.notes.extend(freed.left);
            done.cosine = cosine;
        }
        // On the processor one crop at a time is all that is wanted.
        Err(cause) if image.batch <= 1 => {
            done.dropped = kept.tidy();
            kept.record(&provenance);
            done.content = kept.encode();
            (done.reshapes, done.batch_was) = (0, None);
            done.notes.push(format!(
                "only one crop at a time comes out as before, which is enough for the processor \
                 and too little for an accelerator: the batch stays as it was ({cause})"
            ));
            let cosine = image.compare(runtime, &done.content, &outputs, false);
            done.cosine = cosine.map_err(PrepareError::Differs)?;
        }
        Err(cause) => return Err(PrepareError::Differs(cause)),
    }
    Ok(done)
}

/// The picture that a network takes.
struct Image {
    /// −1: any.
    batch: i64,
    /// Of one crop.
    sides: [usize; 3],
}

/// What comes of made-up crops, by crop and output.
type Outputs = Vec<Vec<Vec<f32>>>;

impl Image {
    fn of(trial: &Trial) -> Result<Self, PrepareError> {
        let no_image = || PrepareError::NoImage(ports_text(&trial.inputs));
        let [Port { element, shape, .. }] = trial.inputs.as_slice() else {
            return Err(no_image());
        };
        let &[batch, a, b, c] = shape.as_slice() else {
            return Err(no_image());
        };
        if element.is_none() || (a != 3 && c != 3) {
            return Err(no_image());
        }
        if !trial.outputs.iter().any(is_float) {
            return Err(PrepareError::NoFloats(ports_text(&trial.outputs)));
        }
        let sides = [a, b, c].map(|side| usize::try_from(side).unwrap_or(ANY_SIDE));
        if is_small(batch, sides) {
            Ok(Self { batch, sides })
        } else {
            Err(no_image())
        }
    }

    fn shape(&self, batch: usize) -> [usize; 4] {
        let [a, b, c] = self.sides;
        [batch, a, b, c]
    }

    /// Noise on waves, in the range of bytes and in that of normalised numbers.
    fn crops(&self) -> Vec<Vec<f32>> {
        let numbers: usize = self.sides.iter().product();
        let mut state = 0x2545_f491_u32;
        let mut noise = move || {
            // Marsaglia, "Xorshift RNGs", 2003.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        };
        let ranges = [(1.0, 0.0), (1.0 / 127.5, 127.5)];
        let crops = ranges.into_iter().flat_map(|range| [range; CROPS]);
        crops
            .zip([7_usize, 19, 40].into_iter().cycle())
            .map(|((scale, mean), period)| {
                let number = |place: usize| {
                    let wave: u8 = if (place / period).is_multiple_of(2) {
                        40
                    } else {
                        160
                    };
                    (f32::from(wave) + f32::from(noise() / 4) - mean) * scale
                };
                (0..numbers).map(number).collect()
            })
            .collect()
    }

    fn outputs_of_given(&self, given: &mut Trial) -> Result<Outputs, PrepareError> {
        let batch = usize::try_from(self.batch).unwrap_or(1).max(1);
        let mut outputs = Outputs::new();
        for crop in self.crops() {
            // A fixed batch is filled with the same crop.
            let found = given.run(self.shape(batch), &crop.repeat(batch));
            let found = found.map_err(PrepareError::Given)?;
            let first = |numbers: Vec<f32>| part(&numbers, 0, batch).to_vec();
            let found: Vec<Vec<f32>> = found.into_iter().map(first).collect();
            let ports = given.outputs.iter().filter(|port| is_float(port));
            for (port, numbers) in ports.zip(&found) {
                if !numbers.iter().all(|number| number.is_finite()) {
                    return Err(PrepareError::NotFinite(port.name.clone()));
                }
            }
            outputs.push(found);
        }
        Ok(outputs)
    }

    /// Least cosine between `expected` and what `content` makes of the same crops, one by one and,
    /// where the batch is free, together.
    fn compare(
        &self,
        runtime: &Runtime,
        content: &[u8],
        expected: &Outputs,
        is_free: bool,
    ) -> Result<f64, String> {
        let text = |error: TrialError| error.to_string();
        let mut trial = Trial::load(runtime, content).map_err(text)?;
        let crops = self.crops();
        let mut least = 1.0_f64;
        for (crop, expected) in crops.iter().zip(expected) {
            let found = trial.run(self.shape(1), crop).map_err(text)?;
            for (found, expected) in found.iter().zip(expected) {
                least = least.min(cosine(found, expected));
            }
        }
        let batches = crops.chunks(CROPS).zip(expected.chunks(CROPS));
        for (crops, expected) in batches.filter(|_| is_free) {
            let batch = crops.len();
            let found = trial
                .run(self.shape(batch), &crops.concat())
                .map_err(text)?;
            for (place, expected) in expected.iter().enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    least = least.min(cosine(part(found, place, batch), expected));
                }
            }
        }
        if least < COSINE_MIN {
            return Err(format!(
                "the least cosine between both outputs is {least:.6}, and {COSINE_MIN} is wanted"
            ));
        }
        Ok(least)
    }
}

/// Whether crops of these sides can be made up, and the whole batch of them.
fn is_small(batch: i64, sides: [usize; 3]) -> bool {
    let numbers = sides
        .iter()
        .try_fold(1_usize, |numbers, side| numbers.checked_mul(*side));
    let crop = numbers.filter(|numbers| (1..=CROP_NUMBERS_MAX).contains(numbers));
    // A free batch is −1, and no batch has hundreds of crops.
    let crops = Some(batch).filter(|batch| (-1..=256).contains(batch));
    let crops = crops.map(|batch| usize::try_from(batch).unwrap_or(1));
    crop.zip(crops)
        .is_some_and(|(numbers, crops)| numbers * crops <= BATCH_NUMBERS_MAX)
}

fn is_float(port: &Port) -> bool {
    port.element == Some(Element::Float32)
}

/// The numbers of one crop of a batch.
fn part(numbers: &[f32], place: usize, batch: usize) -> &[f32] {
    let length = numbers.len() / batch.max(1);
    numbers.chunks(length.max(1)).nth(place).unwrap_or_default()
}

/// The cosine of two outputs; −1 where there is none.
fn cosine(one: &[f32], other: &[f32]) -> f64 {
    if one.len() != other.len() || one.is_empty() {
        return -1.0;
    }
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let (first, second) = (product(one, one), product(other, other));
    if first == 0.0 && second == 0.0 {
        return 1.0;
    }
    let cosine = product(one, other) / (first * second).sqrt();
    // Not a number: it would be lost on the way to the least of all.
    if cosine.is_finite() { cosine } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_differ_or_are_no_numbers_do_not_pass_as_the_same() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[1.0, 0.0], &[0.0, 1.0]) < COSINE_MIN);
        assert!(cosine(&[1.0], &[1.0, 0.0]) < COSINE_MIN);
        assert!(cosine(&[], &[]) < COSINE_MIN);
        assert!(cosine(&[f32::NAN, 1.0], &[1.0, 1.0]) < COSINE_MIN);
        assert!(cosine(&[0.0], &[1.0]) < COSINE_MIN);
    }

    #[test]
    fn what_would_fill_the_memory_is_no_image() {
        let crop = [3, 112, 112];
        assert!([-1, 1, 2, 256].iter().all(|batch| is_small(*batch, crop)));
        assert!(is_small(4, [1024, 1024, 3]));
        assert!(!is_small(5, [1024, 1024, 3]));
        assert!(!is_small(256, [1024, 1024, 3]));
        assert!(!is_small(1, [1025, 1024, 3]));
        assert!(!is_small(-2, crop) && !is_small(257, crop));
        assert!(!is_small(1, [3, 0, 112]) && !is_small(1, [3, usize::MAX, 2]));
    }

    #[test]
    fn made_up_crops_fill_both_ranges_and_differ() {
        let image = Image {
            batch: 1,
            sides: [3, 8, 8],
        };
        let crops = image.crops();
        assert_eq!(crops.len(), 2 * CROPS);
        let range = |crop: &[f32]| {
            let least = crop.iter().copied().fold(f32::INFINITY, f32::min);
            let most = crop.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            (least, most)
        };
        for (index, crop) in crops.iter().enumerate() {
            assert_eq!(crop.len(), 3 * 8 * 8);
            let (least, most) = range(crop);
            let (low, high) = if index < CROPS {
                (0.0, 255.0)
            } else {
                (-1.0, 1.0)
            };
            assert!(low <= least && most <= high && most - least > (high - low) / 4.0);
            assert!(crops.iter().skip(index + 1).all(|other| other != crop));
        }
    }
}
