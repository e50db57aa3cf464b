//! padan's own ONNX operators: domain `padan`, version 1.

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynTensorValueType, TensorElementType};

use super::prelu::QuantizedPrelu;

/// The operators that a session is built with.
pub fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new("padan")?.add(QuantizedPreluOperator)
}

/// `padan.QuantizedPRelu`: see [`super::prelu`].
struct QuantizedPreluOperator;

impl Operator for QuantizedPreluOperator {
    type Kernel<'attr> = QuantizedPrelu;

    fn name(&self) -> &'static str {
        "QuantizedPRelu"
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        use TensorElementType::{Float32, Uint8};
        // x, threshold, positive, negative, zero point
        [Uint8, Uint8, Float32, Float32, Uint8].map(OperatorInput::required)
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Uint8)]
    }

    fn create_kernel(&self, context: &KernelContext<'_>) -> ort::Result<QuantizedPrelu> {
        let constant = |index| context.constant_input::<DynTensorValueType>(index);
        let (threshold, positive) = (constant(1)?, constant(2)?);
        let (negative, zero_point) = (constant(3)?, constant(4)?);
        let [zero_point] = zero_point.try_extract_tensor::<u8>()?.1 else {
            return Err(ort::Error::new("the zero point must be one number"));
        };
        QuantizedPrelu::new(
            threshold.try_extract_tensor::<u8>()?.1,
            positive.try_extract_tensor::<f32>()?.1,
            negative.try_extract_tensor::<f32>()?.1,
            *zero_point,
        )
        .map_err(|error| ort::Error::new(error.to_string()))
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        match context.inputs().first() {
            Some(input) => context.set_output(0, input),
            None => Err(ort::Error::new("no input")),
        }
    }
}

impl Kernel for QuantizedPrelu {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let missing = || ort::Error::new("an input or output is missing");
        let input = context.input(0)?.ok_or_else(missing)?;
        let (shape, input) = input.try_extract_tensor::<u8>()?;
        if shape.last().copied() != i64::try_from(self.channels()).ok() {
            return Err(ort::Error::new("the last dimension must be the channels"));
        }
        let mut output = context.output(0, shape.clone())?.ok_or_else(missing)?;
        let (_, output) = output.try_extract_tensor_mut::<u8>()?;
        self.apply(input, output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ort::session::Session;
    use ort::value::TensorRef;

    use super::*;
    use crate::model::{LIBRARY_FILE_NAME, Runtime};

    const MODEL: &str = "sface_2021dec_int8.onnx";

    /// The 8-bit network's output for one made-up picture.
    fn run(with_operator: bool) -> Vec<f32> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = root.join(".runtime/onnxruntime").join(LIBRARY_FILE_NAME);
        let runtime = Runtime::load(&library).expect("loads; run `make setup`");
        let mut builder = Session::builder(runtime.environment()).expect("builds");
        if with_operator {
            let domain = domain().expect("registers");
            builder = builder.with_operators(domain).expect("takes operators");
        }
        let content = std::fs::read(root.join("models").join(MODEL)).expect("readable");
        let mut session = builder.commit_from_memory(&content).expect("loads");
        let pixels: Vec<u8> = (0..112 * 112 * 3_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let input = TensorRef::from_array_view(([1_usize, 112, 112, 3], pixels.as_slice()));
        let outputs = session
            .run(ort::inputs![input.expect("fits")])
            .expect("runs");
        outputs[0]
            .try_extract_tensor::<f32>()
            .expect("floats")
            .1
            .to_vec()
    }

    #[test]
    fn the_operator_computes_what_its_function_in_the_model_says() {
        let ours = run(true);
        let by_function = run(false);
        assert_eq!(ours.len(), 128);
        assert_eq!(ours, by_function, "bit by bit");
    }
}
