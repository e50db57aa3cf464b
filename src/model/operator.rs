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
