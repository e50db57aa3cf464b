//! A template's bytes, as they are sealed: little-endian, for every machine the same.

use super::{ContractId, Embedding, Template};

/// The first byte: how the rest is written.
const FORMAT: u8 = 1;

/// By how much the squared length of a stored embedding may differ from 1: rounding, and no more.
const SQUARE_DEVIATION_MAX: f64 = 1e-4;

/// Bytes that are no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "stored bytes are not a template of this padan: they were damaged, or a newer one made them"
)]
pub struct NotATemplate;

impl Template {
    /// How many bytes a template of so many numbers has, before it is sealed.
    #[must_use]
    pub const fn bytes_of_dimension(dimension: usize) -> usize {
        dimension.saturating_mul(4).saturating_add(1)
    }

    /// One byte that names the format, then the embedding as 32-bit floating point numbers. The
    /// contract is not among them: whoever seals the bytes binds them to it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.embedding.as_slice();
        let mut bytes = Vec::with_capacity(Self::bytes_of_dimension(numbers.len()));
        bytes.push(FORMAT);
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// A template of `contract_id` from its bytes.
    ///
    /// # Errors
    /// When they are anything else than a vector of unit length in this format.
    pub fn from_bytes(contract_id: ContractId, bytes: &[u8]) -> Result<Self, NotATemplate> {
        let Some((&FORMAT, numbers)) = bytes.split_first() else {
            return Err(NotATemplate);
        };
        let (numbers, rest) = numbers.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(NotATemplate);
        }
        let numbers: Box<[f32]> = numbers.iter().map(|&it| f32::from_le_bytes(it)).collect();
        let square: f64 = numbers.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        // Not the reverse with `>`: a NaN must not pass.
        if !((square - 1.0).abs() <= SQUARE_DEVIATION_MAX) {
            return Err(NotATemplate);
        }
        Ok(Self {
            contract_id,
            embedding: Embedding(numbers),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let output: Vec<f32> = (0..128u8).map(|n| f32::from(n) - 60.0).collect();
        Template {
            contract_id: ContractId::new("m:1"),
            embedding: Embedding::from_output(&output).expect("has a direction"),
        }
    }

    #[test]
    fn a_template_comes_back_bit_for_bit() {
        let bytes = template().to_bytes();
        assert_eq!(bytes.len(), 1 + 4 * 128);
        let read = Template::from_bytes(ContractId::new("m:1"), &bytes);
        assert_eq!(read, Ok(template()));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let bytes = template().to_bytes();
        let mut long = bytes.clone();
        long.extend(1f32.to_le_bytes());
        let mut other_format = bytes.clone();
        other_format[0] = 2;
        let mut not_a_number = bytes.clone();
        not_a_number[1..5].copy_from_slice(&f32::NAN.to_le_bytes());
        let cases = [
            &[][..],
            &[1],
            &bytes[..bytes.len() - 1],
            &bytes[..5],
            &long,
            &other_format,
            &not_a_number,
        ];
        for case in cases {
            let read = Template::from_bytes(ContractId::new("m:1"), case);
            assert_eq!(read, Err(NotATemplate), "{} bytes", case.len());
        }
    }
}
