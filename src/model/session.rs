//! One ONNX Runtime session, checked against its manifest entry.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ndarray::ArrayView4;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionOutputs};
use ort::value::{Outlet, PrimitiveTensorElementType, TensorRef};

use super::graph::{GraphError, OnnxModel};
use super::manifest::{ModelEntry, TensorSpec};
use super::tensor::{Normalisation, write_input};
use super::trial::Port;
use super::{InputLayout, ManifestError, Provider, ProviderError, Runtime};
use crate::embed::InferenceError;
use crate::sample::picture::Picture;

/// A model could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest or the file is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The execution provider cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The runtime refused the file.
    #[error("ONNX Runtime cannot load model {id}: {cause}")]
    Load {
        /// The model.
        id: String,
        /// What the runtime said.
        cause: String,
    },
    /// The graph is not what the manifest says.
    #[error("model {id}: the manifest says {expected}, but the graph has {found}")]
    Shape {
        /// The model.
        id: String,
        /// In the manifest.
        expected: String,
        /// In the graph.
        found: String,
    },
}

/// A session with one thread, and the buffer its input is written to.
pub struct ModelSession {
    id: String,
    session: Session,
    /// How pictures become input.
    pub normalisation: Normalisation,
    /// Reused for every input, and wiped after it.
    pub planes: Vec<f32>,
}

impl ModelSession {
    /// Builds a session of `content`, the bytes of the entry's file, and checks names and shapes.
    ///
    /// # Errors
    /// When the runtime refuses the file, its weights lie in another one, or the graph is not what
    /// the entry says.
    pub fn build(
        runtime: &Runtime,
        entry: &ModelEntry,
        content: &[u8],
    ) -> Result<Self, ModelError> {
        Self::build_on(&Provider::cpu(), runtime, entry, content)
    }

    /// Like [`Self::build`], with the whole graph on `provider`.
    ///
    /// # Errors
    /// Also when the provider does not take all of it.
    pub fn build_on(
        provider: &Provider,
        runtime: &Runtime,
        entry: &ModelEntry,
        content: &[u8],
    ) -> Result<Self, ModelError> {
        check_is_whole(entry, content)?;
        let session = build_session(provider, runtime, entry, content).map_err(|error| {
            let cause = error.message().to_owned();
            if provider.kind.is_accelerator() {
                return ModelError::from(provider.not_taken(entry, &cause));
            }
            let id = entry.id.clone();
            ModelError::Load { id, cause }
        })?;
        check_tensors(
            entry,
            "input",
            std::slice::from_ref(&entry.input),
            &session.inputs().iter().collect::<Vec<_>>(),
        )?;
        let outputs = session.outputs().iter();
        let outputs: Vec<&Outlet> = outputs
            .filter(|outlet| !entry.ignore_other_outputs || entry.names_output(outlet.name()))
            .collect();
        check_tensors(entry, "output", &entry.output, &outputs)?;
        Ok(Self {
            id: entry.id.clone(),
            session,
            normalisation: entry.normalisation(),
            planes: Vec::new(),
        })
    }

    /// Writes `picture` to [`Self::planes`], in the corner of `width × height`.
    pub fn write(&mut self, picture: &Picture, width: usize, height: usize) {
        let Self {
            normalisation,
            planes,
            ..
        } = self;
        write_input(picture, width, height, *normalisation, planes);
    }

    /// Runs the network on [`Self::planes`], one picture of `height × width`.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn run(
        &mut self,
        height: usize,
        width: usize,
    ) -> Result<SessionOutputs<'_>, InferenceError> {
        self.run_batch(1, height, width)
    }

    /// Runs the network on [`Self::planes`], `batch` pictures of `height × width`.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn run_batch(
        &mut self,
        batch: usize,
        height: usize,
        width: usize,
    ) -> Result<SessionOutputs<'_>, InferenceError> {
        let shape = match self.normalisation.layout {
            InputLayout::Planes => [batch, 3, height, width],
            InputLayout::Pixels | InputLayout::FloatPixels => [batch, height, width, 3],
        };
        run(&mut self.session, &self.id, shape, &self.planes)
    }

    /// Leaves nothing of a picture in [`Self::planes`], and keeps the memory.
    pub fn wipe(&mut self) {
        self.planes.fill(0.0);
    }

    /// Runs the network on one picture's pixels, `height × width × 3` bytes.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn run_pixels(
        &mut self,
        height: usize,
        width: usize,
        pixels: &[u8],
    ) -> Result<SessionOutputs<'_>, InferenceError> {
        run(&mut self.session, &self.id, [1, height, width, 3], pixels)
    }
}

fn run<'a, T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static>(
    session: &'a mut Session,
    id: &str,
    [a, b, c, d]: [usize; 4],
    numbers: &[T],
) -> Result<SessionOutputs<'a>, InferenceError> {
    let failed = |cause: String| InferenceError {
        model: id.to_owned(),
        cause,
        is_unavailable: false,
    };
    let view =
        ArrayView4::from_shape((a, b, c, d), numbers).map_err(|error| failed(error.to_string()))?;
    let input = TensorRef::from_array_view(view).map_err(|e| failed(e.message().to_owned()))?;
    session
        .run(ort::inputs![input])
        .map_err(|error| failed(error.message().to_owned()))
}

/// One output as a slice of floats.
///
/// # Errors
/// When there is no such output or it holds no floats.
pub fn output<'a>(
    outputs: &'a SessionOutputs<'_>,
    model: &str,
    name: &str,
) -> Result<&'a [f32], InferenceError> {
    let failed = |cause: String| InferenceError {
        model: model.to_owned(),
        cause,
        is_unavailable: false,
    };
    let value = outputs
        .get(name)
        .ok_or_else(|| failed(format!("no output {name}")))?;
    let (_, numbers) = value
        .try_extract_tensor::<f32>()
        .map_err(|error| failed(error.message().to_owned()))?;
    Ok(numbers)
}

fn build_session(
    provider: &Provider,
    runtime: &Runtime,
    entry: &ModelEntry,
    content: &[u8],
) -> ort::Result<Session> {
    commit(provider.place(new_builder(runtime)?, entry)?, content)
}

/// A session of a file that may have no entry, on the processor.
pub(super) fn bare_session(runtime: &Runtime, content: &[u8]) -> ort::Result<Session> {
    commit(new_builder(runtime)?, content)
}

fn new_builder(runtime: &Runtime) -> ort::Result<SessionBuilder> {
    // One thread: a lane is the unit of parallelism. The arena grows by what is asked, not by
    // doubling, so that memory stays flat.
    Ok(Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_operators(super::operator::domain()?)?)
}

fn commit(mut builder: SessionBuilder, content: &[u8]) -> ort::Result<Session> {
    static DOMAIN_IS_KNOWN: Mutex<bool> = Mutex::new(false);
    // The first session makes the domain known to the whole process; two at once would both try.
    let mut is_known = DOMAIN_IS_KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if *is_known {
        drop(is_known);
        return builder.commit_from_memory(content);
    }
    let session = builder.commit_from_memory(content)?;
    *is_known = true;
    Ok(session)
}

/// Refuses weights in another file: they are no part of the digest, nor of the contract id, and two
/// networks would have one name.
fn check_is_whole(entry: &ModelEntry, content: &[u8]) -> Result<(), ManifestError> {
    // Whatever else ails a file, the runtime decides.
    if let Err(error @ GraphError::ExternalData(_)) =
        OnnxModel::read(Bytes::copy_from_slice(content))
    {
        return Err(ManifestError::Entry {
            id: entry.id.clone(),
            problem: error.to_string(),
        });
    }
    Ok(())
}

fn check_tensors(
    entry: &ModelEntry,
    kind: &str,
    expected: &[TensorSpec],
    found: &[&Outlet],
) -> Result<(), ModelError> {
    let agrees = expected.len() == found.len()
        && expected
            .iter()
            .all(|spec| found.iter().any(|outlet| matches(spec, outlet)));
    if agrees {
        return Ok(());
    }
    let specs: Vec<String> = expected
        .iter()
        .map(|spec| format!("{kind} {}{:?}", spec.name, spec.shape))
        .collect();
    let outlets: Vec<String> = found
        .iter()
        .map(|outlet| format!("{kind} {}{}", outlet.name(), outlet.dtype()))
        .collect();
    Err(ModelError::Shape {
        id: entry.id.clone(),
        expected: specs.join(", "),
        found: outlets.join(", "),
    })
}

fn matches(spec: &TensorSpec, outlet: &Outlet) -> bool {
    let port = Port::of(outlet);
    port.name == spec.name && port.element == Some(spec.element) && port.shape == spec.shape
}
