//! Whether a model of the manifest may be trusted: each promise of its entry, one by one.

use std::sync::Arc;

use super::ModelSet;
use crate::config::Config;
use crate::embed::{Embedding, FaceEmbedder as _};
use crate::model::{
    Manifest, ManifestError, ModelEntry, ModelTask, OrtEmbedder, Profile, Runtime, YunetDetector,
};
use crate::sample::picture::Picture;

/// A promise of a manifest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The file has the pinned digest.
    Digest,
    /// The licence is one that the profile allows.
    Licence,
    /// The graph has the entry's names and shapes.
    Tensors,
    /// Embeddings are finite, have a direction, and depend on the crop.
    Embedding,
    /// The same crop gives the same embedding, bit for bit, in one session and in two.
    Determinism,
    /// The golden faces have the entry's similarity.
    GoldenFaces,
}

impl Promise {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 6] = [
        Self::Digest,
        Self::Licence,
        Self::Tensors,
        Self::Embedding,
        Self::Determinism,
        Self::GoldenFaces,
    ];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Licence => "licence",
            Self::Tensors => "names and shapes",
            Self::Embedding => "embedding",
            Self::Determinism => "deterministic",
            Self::GoldenFaces => "golden faces",
        }
    }
}

/// What came of a promise: kept, or broken and how. Absent: it could not be looked at.
pub type Kept = Option<Result<(), String>>;

/// What came of an entry's promises, in the order of [`Promise::ALL`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked([Kept; 6]);

impl Checked {
    /// Each promise with what came of it.
    pub fn promises(&self) -> impl Iterator<Item = (Promise, &Kept)> {
        Promise::ALL.into_iter().zip(&self.0)
    }

    /// Whether none is broken.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.0.iter().flatten().all(Result::is_ok)
    }
}

/// Looks at every promise of an entry.
#[must_use]
pub fn check(
    config: &Config,
    runtime: &Runtime,
    manifest: &Manifest,
    entry: &ModelEntry,
) -> Checked {
    let text = |error: ManifestError| error.to_string();
    let digest = manifest.load(entry).map(drop).map_err(text);
    let licence = manifest
        .select(&entry.id, entry.task, config.profile)
        .map(drop)
        .map_err(text);
    let is_pinned = digest.is_ok();
    let mut checked = Checked([Some(digest), Some(licence), None, None, None, None]);
    // Other bytes are another model.
    if !is_pinned {
        return checked;
    }
    let [_, _, tensors, embedding, determinism, golden] = &mut checked.0;
    if entry.task == ModelTask::Detector {
        let loaded = YunetDetector::load(runtime, manifest, entry);
        *tensors = Some(loaded.map(drop).map_err(|error| error.to_string()));
        return checked;
    }
    let load = || OrtEmbedder::load(runtime, manifest, entry).map_err(|error| error.to_string());
    let sessions = load().and_then(|one| Ok((one, load()?)));
    match sessions {
        Err(cause) => *tensors = Some(Err(cause)),
        Ok((mut one, mut other)) => {
            *tensors = Some(Ok(()));
            match embeddings(&mut one, &mut other) {
                Ok(found) => {
                    *embedding = Some(found.depend_on_the_crop());
                    *determinism = Some(found.are_the_same());
                }
                Err(cause) => *embedding = Some(Err(cause)),
            }
            drop((one, other));
            *golden = Some(golden_faces(config, entry));
        }
    }
    checked
}

/// Of two crops: each twice by one session, and once by another.
struct Embeddings([[Embedding; 3]; 2]);

fn embeddings(one: &mut OrtEmbedder, other: &mut OrtEmbedder) -> Result<Embeddings, String> {
    let side = one.alignment().side_px;
    let mut of = |stripe: usize| -> Result<[Embedding; 3], String> {
        let crop = striped(side, stripe);
        let run = |embedder: &mut OrtEmbedder| {
            let embedding = embedder.embed(&crop);
            embedding.map_err(|error| error.to_string())
        };
        Ok([run(one)?, run(one)?, run(other)?])
    };
    Ok(Embeddings([of(17)?, of(40)?]))
}

/// A crop of no face.
fn striped(side: u32, stripe: usize) -> Picture {
    let places = 0..side as usize * side as usize * 3;
    let value = |place: usize| {
        if (place / stripe).is_multiple_of(2) {
            40
        } else {
            190
        }
    };
    Picture::new(side, side, places.map(value).collect()).unwrap_or_default()
}

impl Embeddings {
    fn depend_on_the_crop(&self) -> Result<(), String> {
        let [[first, ..], [second, ..]] = &self.0;
        if bits(first).eq(bits(second)) {
            return Err("two different crops give one embedding".to_owned());
        }
        Ok(())
    }

    fn are_the_same(&self) -> Result<(), String> {
        for [first, again, elsewhere] in &self.0 {
            for (other, place) in [(again, "in one session"), (elsewhere, "in two sessions")] {
                if !bits(first).eq(bits(other)) {
                    return Err(format!("the same crop gives two embeddings {place}"));
                }
            }
        }
        Ok(())
    }
}

fn bits(embedding: &Embedding) -> impl Iterator<Item = u32> {
    embedding.as_slice().iter().map(|number| number.to_bits())
}

/// As a lane finds them on the configured provider; the licence has a promise of its own.
fn golden_faces(config: &Config, entry: &ModelEntry) -> Result<(), String> {
    let config = Config {
        embedder: entry.id.clone(),
        profile: Profile::Research,
        ..config.clone()
    };
    let models = ModelSet::select(&config).map_err(|error| error.to_string())?;
    let settings = Arc::new(config.pipeline);
    models.pipeline(&settings).map(drop)
}
