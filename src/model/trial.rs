//! A file on ONNX Runtime before any manifest describes it: what goes in and out, and what comes
//! of made-up crops.

use ndarray::ArrayView4;
use ort::session::Session;
use ort::value::{Outlet, PrimitiveTensorElementType, TensorElementType, TensorRef, ValueType};

use super::graph::Shapes;
use super::session::bare_session;
use super::{Element, Runtime};

/// The file could not be tried. Says what the runtime said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ONNX Runtime: {0}")]
pub struct TrialError(String);

impl From<ort::Error> for TrialError {
    fn from(error: ort::Error) -> Self {
        Self(error.message().to_owned())
    }
}

/// An input or output, as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Type of its numbers; none: one that padan has no use for.
    pub element: Option<Element>,
    /// Its shape, batch first; −1 is a dimension that may vary.
    pub shape: Vec<i64>,
}

impl Port {
    pub(super) fn of(outlet: &Outlet) -> Self {
        let (element, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => {
                let element = match ty {
                    TensorElementType::Float32 => Some(Element::Float32),
                    TensorElementType::Uint8 => Some(Element::Uint8),
                    _ => None,
                };
                (element, shape.iter().copied().collect())
            }
            _ => (None, Vec::new()),
        };
        Self {
            name: outlet.name().to_owned(),
            element,
            shape,
        }
    }
}

impl std::fmt::Display for Port {
    /// For people: `data float32 [-1, 3, 112, 112]`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let element = match self.element {
            Some(Element::Float32) => "float32",
            Some(Element::Uint8) => "uint8",
            None => "another type",
        };
        write!(out, "{} {element} {:?}", self.name, self.shape)
    }
}

/// Ports in one line, for a message.
#[must_use]
pub fn ports_text(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<String> = ports.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// A session of a file.
pub struct Trial {
    session: Session,
    /// What goes in, without weights that stand among the inputs.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
}

impl Trial {
    /// Loads a file's bytes.
    ///
    /// # Errors
    /// When the runtime refuses them.
    pub fn load(runtime: &Runtime, content: &[u8]) -> Result<Self, TrialError> {
        let session = bare_session(runtime, content)?;
        Ok(Self {
            inputs: session.inputs().iter().map(Port::of).collect(),
            outputs: session.outputs().iter().map(Port::of).collect(),
            session,
        })
    }

    /// Shapes of the outputs, by name.
    #[must_use]
    pub fn output_shapes(&self) -> Shapes {
        let outputs = self.outputs.iter();
        outputs
            .map(|port| (port.name.clone(), port.shape.clone()))
            .collect()
    }

    /// Runs the network on crops in a row, and gives what comes out of each float output.
    ///
    /// # Errors
    /// When there is no input of this shape and type, or the runtime fails.
    pub fn run(&mut self, shape: [usize; 4], crops: &[f32]) -> Result<Vec<Vec<f32>>, TrialError> {
        match self.inputs.first().and_then(|input| input.element) {
            Some(Element::Uint8) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped to a byte"
                )]
                let bytes: Vec<u8> = crops.iter().map(|&v| v.clamp(0.0, 255.0) as u8).collect();
                self.run_with(shape, &bytes)
            }
            _ => self.run_with(shape, crops),
        }
    }

    fn run_with<T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
        &mut self,
        [a, b, c, d]: [usize; 4],
        numbers: &[T],
    ) -> Result<Vec<Vec<f32>>, TrialError> {
        let view = ArrayView4::from_shape((a, b, c, d), numbers)
            .map_err(|error| TrialError(error.to_string()))?;
        let input = TensorRef::from_array_view(view)?;
        let found = self.session.run(ort::inputs![input])?;
        let floats = self
            .outputs
            .iter()
            .filter(|port| port.element == Some(Element::Float32));
        floats
            .map(|port| {
                let value = found.get(&port.name);
                let value = value.ok_or_else(|| TrialError(format!("no {}", port.name)))?;
                Ok(value.try_extract_tensor::<f32>()?.1.to_vec())
            })
            .collect()
    }
}
