//! One model's entry: what the file is, what goes in and out, and what it must agree with.

use clap::ValueEnum;
use serde::Deserialize;

use super::{ManifestError, Metric, PerChannel};
use crate::digest::sha256_hex;
use crate::embed::ContractId;
use crate::model::ProviderKind;
use crate::sample::align::{AlignmentTemplate, TEMPLATES};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelTask {
    /// Finds faces; `YuNet`'s outputs are understood.
    Detector,
    /// Turns an aligned face into an embedding.
    Embedder,
}

impl ModelTask {
    /// Its name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Embedder => "embedder",
        }
    }
}

/// Order of the colour planes a model was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Name and shape of an input or output; −1 is a dimension that may vary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// Name in the graph.
    pub name: String,
    /// Dimensions, batch first.
    pub shape: Vec<i64>,
    /// Type of the numbers.
    #[serde(default)]
    pub element: Element,
}

impl TensorSpec {
    /// Whether it holds one embedding of this dimension for each crop; sides of 1 do not count.
    fn is_embedding(&self, dimension: usize) -> bool {
        let found = embedding_length(&self.shape);
        dimension > 0 && found.is_some() && found == i64::try_from(dimension).ok()
    }
}

/// Length of the embeddings in a tensor of this shape, batch first; none where they are no rows.
/// Sides of 1 do not count.
pub(in crate::model) fn embedding_length(shape: &[i64]) -> Option<i64> {
    let (_, rest) = shape.split_first()?;
    let mut sides = rest.iter().copied().filter(|side| *side != 1);
    let length = sides.next().unwrap_or(1);
    (sides.next().is_none() && !rest.is_empty()).then_some(length)
}

/// Type of the numbers in a tensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit floats.
    #[default]
    Float32,
    /// Bytes.
    Uint8,
}

/// How a picture is laid out for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputLayout {
    /// `[batch, 3, height, width]`, floats: one plane a colour, normalised.
    Planes,
    /// `[batch, height, width, 3]`, bytes: the pixels as they are.
    Pixels,
    /// `[batch, height, width, 3]`, floats: the colours of one pixel after the other, normalised.
    FloatPixels,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Its name, for example `sface_2021dec`.
    pub id: String,
    /// What it does.
    pub task: ModelTask,
    /// File name in the manifest's folder.
    pub file: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// SPDX licence identifier of the weights.
    pub licence: String,
    /// The licence allows commercial use.
    pub commercial_use: bool,
    /// Where the weights come from.
    pub source: String,
    /// The only input.
    pub input: TensorSpec,
    /// All outputs; of an embedder the embedding alone.
    pub output: Vec<TensorSpec>,
    /// The graph has outputs besides [`Self::output`], which are not looked at; embedders only.
    #[serde(default)]
    pub ignore_other_outputs: bool,
    /// Order of the colour planes.
    pub colour: ColourOrder,
    /// Subtracted from each 8-bit value.
    pub mean: PerChannel,
    /// Multiplied after that.
    pub scale: PerChannel,
    /// Name of the alignment template; embedders only.
    pub alignment: Option<String>,
    /// Length of the embedding; embedders only.
    pub dimension: Option<usize>,
    /// How its embeddings compare; embedders only.
    #[serde(default)]
    pub metric: Metric,
    /// Similarity of the golden faces; embedders only.
    pub golden_similarity: Option<f32>,
    /// Providers it runs on; none named: all.
    pub providers: Option<Vec<ProviderKind>>,
}

/// Whether a name is fit for a file: nothing leads out of the folder.
pub(super) fn is_plain(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && text.chars().all(is_allowed) && !text.starts_with('.')
}

impl ModelEntry {
    pub(super) fn problem(&self, problem: impl Into<String>) -> ManifestError {
        ManifestError::Entry {
            id: self.id.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ManifestError> {
        if !is_plain(&self.id) || !is_plain(&self.file) {
            return Err(self.problem("id and file take letters, digits, '.', '_' and '-' only"));
        }
        if self.sha256.len() != 64
            || !self
                .sha256
                .bytes()
                .all(|b| b"0123456789abcdef".contains(&b))
        {
            return Err(self.problem("sha256 takes 64 hexadecimal digits in lower case"));
        }
        // SPDX says by these that nobody said anything, or that there is no licence.
        let is_licensed = !["", "NONE", "NOASSERTION"].contains(&self.licence.trim());
        if self.commercial_use && !is_licensed {
            return Err(self.problem("commercial_use = true takes the licence that allows it"));
        }
        let (means, scales) = (self.mean.numbers(), self.scale.numbers());
        let is_factor = |scale: &f32| scale.is_finite() && *scale != 0.0;
        if !(means.iter().all(|mean| mean.is_finite()) && scales.iter().all(is_factor)) {
            return Err(self.problem("mean and scale must be finite, scale not 0"));
        }
        let layout = self.layout()?;
        if self.providers.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.problem("providers must name at least one, or be left out for all"));
        }
        match self.task {
            ModelTask::Detector if layout != InputLayout::Planes => {
                Err(self.problem("a detector's input must be [batch, 3, height, width]"))
            }
            ModelTask::Detector if self.ignore_other_outputs => {
                Err(self.problem("ignore_other_outputs is for embedders"))
            }
            ModelTask::Detector => Ok(()),
            ModelTask::Embedder => self.check_embedder(),
        }
    }

    /// How the network takes a picture.
    ///
    /// # Errors
    /// When the input is of neither layout, or pixels would have to be changed first.
    pub fn layout(&self) -> Result<InputLayout, ManifestError> {
        match (self.input.shape.as_slice(), self.input.element) {
            ([_, 3, _, _], Element::Float32) => Ok(InputLayout::Planes),
            ([_, _, _, 3], Element::Float32) => Ok(InputLayout::FloatPixels),
            ([_, _, _, 3], Element::Uint8) => {
                let unchanged = (PerChannel::same(0.0), PerChannel::same(1.0));
                let as_they_are = (self.mean, self.scale) == unchanged;
                if as_they_are && self.colour == ColourOrder::Rgb {
                    Ok(InputLayout::Pixels)
                } else {
                    Err(self.problem("bytes go in as they are: colour rgb, mean 0, scale 1"))
                }
            }
            _ => Err(self.problem(
                "the input must be float32 [batch, 3, height, width] or [batch, height, width, \
                 3], or uint8 [batch, height, width, 3]",
            )),
        }
    }

    fn check_embedder(&self) -> Result<(), ManifestError> {
        let template = self.alignment()?;
        let side = i64::from(template.side_px);
        let takes_crop = match *self.input.shape.as_slice() {
            // −1: any side will do.
            [_, 3, height, width] | [_, height, width, 3] => [height, width]
                .into_iter()
                .all(|wanted| wanted == side || wanted == -1),
            _ => false,
        };
        if !takes_crop {
            return Err(self.problem(format!(
                "alignment {} gives crops of {side}×{side}, which the input does not take",
                template.name
            )));
        }
        match self.output.as_slice() {
            [only] if only.is_embedding(self.dimension.unwrap_or_default()) => Ok(()),
            [_] => Err(self.problem("an embedder has one output of shape [batch, dimension]")),
            _ => Err(self.problem(
                "an embedder has one output: name that of the embedding, and set \
                 ignore_other_outputs = true where the graph has more",
            )),
        }
    }

    /// Whether [`Self::output`] has this name.
    pub(in crate::model) fn names_output(&self, name: &str) -> bool {
        self.output.iter().any(|output| output.name == name)
    }

    /// The alignment template an embedder wants.
    ///
    /// # Errors
    /// When the entry names none, or one that does not exist.
    pub fn alignment(&self) -> Result<&'static AlignmentTemplate, ManifestError> {
        let name = self.alignment.as_deref().unwrap_or_default();
        let found = TEMPLATES.into_iter().find(|template| template.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
            self.problem(format!("alignment must be one of: {}", known.join(", ")))
        })
    }

    /// Model digest + preprocessing + dimension, as one name.
    #[must_use]
    pub fn contract_id(&self) -> ContractId {
        let mut preprocessing = format!(
            "{}\n{:?}\n{}\n{}\n{}\n{}",
            self.sha256,
            self.colour,
            self.mean.contract_text(),
            self.scale.contract_text(),
            self.alignment.as_deref().unwrap_or_default(),
            self.dimension.unwrap_or_default()
        );
        // One file can give several embeddings.
        if let (true, Some(output)) = (self.ignore_other_outputs, self.output.first()) {
            preprocessing.push('\n');
            preprocessing.push_str(&output.name);
        }
        let digest = sha256_hex(preprocessing.as_bytes());
        let short: String = digest.chars().take(16).collect();
        ContractId::new(&format!("{}:{short}", self.id))
    }
}
