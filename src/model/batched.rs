//! Embeddings by an accelerator: one session on the device's own thread, run in batches of fixed
//! sizes, and the handle through which each lane uses it.

use std::sync::Arc;

use super::embedder::Identity;
use super::session::{self, ModelError, ModelSession};
use super::tensor::{Normalisation, write_input};
use super::{InputLayout, Manifest, ModelEntry, Provider, ProviderError, Runtime};
use crate::embed::{ContractId, Embedding, FaceEmbedder, InferenceError, NotADirection};
use crate::engine::{BatchError, BatchWorker, Batcher};
use crate::sample::align::AlignmentTemplate;
use crate::sample::picture::Picture;

/// Unit vectors of one crop, alone and in a batch, differ by rounding only: far less than this in
/// any number.
const WARM_UP_TOLERANCE: f32 = 0.01;

/// Kinds of crops that are made up for warming. No bucket size is likely to be a multiple of it.
const MADE_UP_KINDS: usize = 3;

/// A device that lanes share.
pub type EmbeddingDevice = Batcher<DeviceSession>;

/// One aligned crop as the network takes it, in planes or pixel by pixel: made on a lane, so that
/// the device need not wait for it.
pub struct Planes(Vec<f32>);

/// What came of a crop: its planes, to be used again, and its embedding.
pub struct Embedded {
    planes: Planes,
    embedding: Result<Embedding, NotADirection>,
}

/// An embedding session that runs batches, owned by the device's thread.
pub struct DeviceSession {
    session: ModelSession,
    side: usize,
    output: String,
    dimension: usize,
    id: String,
}

impl DeviceSession {
    /// Loads the entry's file onto the provider, and runs every bucket once: the first caller
    /// waits for no preparation, and a provider that computes differently in batches is found.
    ///
    /// # Errors
    /// When the file is not what the manifest says, or the provider does not take all of the model
    /// or computes it wrong.
    pub fn load(
        provider: &Provider,
        runtime: &Runtime,
        manifest: &Manifest,
        entry: &ModelEntry,
    ) -> Result<Self, ModelError> {
        provider.check_library(runtime)?;
        provider.check_model(entry)?;
        if entry.layout()? == InputLayout::Pixels {
            let id = entry.id.clone();
            return Err(ProviderError::Unbatched { id }.into());
        }
        let content = manifest.load(entry)?;
        let session = ModelSession::build_on(provider, runtime, entry, &content)?;
        let output = entry.output.first().map(|output| output.name.clone());
        let mut device = Self {
            session,
            side: entry.alignment()?.side_px as usize,
            output: output.unwrap_or_default(),
            dimension: entry.dimension.unwrap_or_default(),
            id: entry.id.clone(),
        };
        device.warm_up(provider, entry)?;
        Ok(device)
    }

    /// Crops of no face for the places of a batch, each unlike its neighbours.
    #[must_use]
    pub fn made_up_items(&self, count: usize) -> Vec<Planes> {
        let stripes = |width: usize| {
            let at = |place: usize| {
                if (place / width).is_multiple_of(2) {
                    40
                } else {
                    200
                }
            };
            let pixels = (0..self.side * self.side * 3).map(at).collect();
            let side = u32::try_from(self.side).unwrap_or_default();
            let mut planes = Vec::new();
            if let Some(picture) = Picture::new(side, side, pixels) {
                let normalisation = self.session.normalisation;
                write_input(&picture, self.side, self.side, normalisation, &mut planes);
            }
            Planes(planes)
        };
        (0..count)
            .map(|place| stripes(5 + 16 * (place % MADE_UP_KINDS)))
            .collect()
    }

    fn warm_up(&mut self, provider: &Provider, entry: &ModelEntry) -> Result<(), ModelError> {
        let failed = |cause: String| provider.not_taken(entry, &cause);
        let smallest = provider.buckets.sizes().next().unwrap_or(1);
        let mut alone = Vec::new();
        for item in self.made_up_items(MADE_UP_KINDS) {
            alone.extend(self.run(vec![item], smallest).map_err(failed)?);
        }
        for bucket in provider.buckets.sizes() {
            let together = self.run(self.made_up_items(bucket), bucket);
            let together = together.map_err(failed)?;
            let mut pairs = together.iter().zip(alone.iter().cycle());
            if !pairs.all(|(one, other)| is_same(one, other)) {
                let kind = provider.kind;
                return Err(ProviderError::BatchDiffers { kind, bucket }.into());
            }
        }
        Ok(())
    }
}

fn is_same(one: &Embedded, other: &Embedded) -> bool {
    let (Ok(one), Ok(other)) = (&one.embedding, &other.embedding) else {
        return false;
    };
    let pairs = one.as_slice().iter().zip(other.as_slice());
    pairs
        .map(|(a, b)| (a - b).abs())
        .all(|difference| difference <= WARM_UP_TOLERANCE)
}

impl BatchWorker for DeviceSession {
    type Item = Planes;
    type Output = Embedded;

    fn run(&mut self, items: Vec<Planes>, bucket: usize) -> Result<Vec<Embedded>, String> {
        let embedded = self.embedded(items, bucket);
        self.session.wipe();
        embedded
    }
}

impl DeviceSession {
    fn embedded(&mut self, items: Vec<Planes>, bucket: usize) -> Result<Vec<Embedded>, String> {
        let input = &mut self.session.planes;
        input.clear();
        for Planes(planes) in &items {
            input.extend_from_slice(planes);
        }
        // Places without a crop hold no face of an earlier batch.
        input.resize(bucket * 3 * self.side * self.side, 0.0);
        let outputs = self.session.run_batch(bucket, self.side, self.side);
        let outputs = outputs.map_err(|error| error.cause)?;
        let numbers =
            session::output(&outputs, &self.id, &self.output).map_err(|error| error.cause)?;
        if numbers.len() != bucket * self.dimension {
            let dimension = self.dimension;
            return Err(format!(
                "{} numbers instead of {bucket} × {dimension}",
                numbers.len()
            ));
        }
        let embeddings = numbers.chunks_exact(self.dimension);
        let embeddings = embeddings.map(Embedding::from_output);
        let embedded = items.into_iter().zip(embeddings);
        Ok(embedded
            .map(|(planes, embedding)| Embedded { planes, embedding })
            .collect())
    }
}

/// An embedder whose network runs on a device that lanes share. Each lane owns one.
pub struct BatchedEmbedder<W = DeviceSession>
where
    W: BatchWorker<Item = Planes, Output = Embedded>,
{
    device: Arc<Batcher<W>>,
    identity: Identity,
    normalisation: Normalisation,
    /// Reused for every crop.
    planes: Vec<f32>,
}

impl<W> BatchedEmbedder<W>
where
    W: BatchWorker<Item = Planes, Output = Embedded>,
{
    /// A handle to a device that runs the entry's model.
    ///
    /// # Errors
    /// When the entry names no alignment.
    pub fn new(device: Arc<Batcher<W>>, entry: &ModelEntry) -> Result<Self, ModelError> {
        Ok(Self {
            device,
            identity: Identity::of(entry)?,
            normalisation: entry.normalisation(),
            planes: Vec::new(),
        })
    }
}

impl<W> FaceEmbedder for BatchedEmbedder<W>
where
    W: BatchWorker<Item = Planes, Output = Embedded>,
{
    fn contract_id(&self) -> &ContractId {
        &self.identity.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        self.identity.alignment
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let side = self.identity.side_of(crop)?;
        let mut planes = std::mem::take(&mut self.planes);
        write_input(crop, side, side, self.normalisation, &mut planes);
        let embedded = self.device.run(Planes(planes));
        let embedded = embedded.map_err(|error| InferenceError {
            is_unavailable: !matches!(error, BatchError::Failed(_)),
            ..self.identity.error(&error)
        })?;
        self.planes = embedded.planes.0;
        self.planes.fill(0.0);
        embedded
            .embedding
            .map_err(|error| self.identity.error(&error))
    }
}
