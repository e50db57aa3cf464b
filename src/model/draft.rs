//! The manifest entry of a network that a user brings, as far as its file says what it is. What the
//! file does not say stands in the entry as a guess, with a comment that asks for it.

use std::fmt::Write as _;

use super::manifest::{PerChannel, embedding_length};
use super::trial::{Port, ports_text};
use super::{ColourOrder, Element};
use crate::sample::align::{AlignmentTemplate, TEMPLATES};

/// Least length of an embedding: shorter outputs are scores, landmarks or attributes.
const DIMENSION_MIN: i64 = 32;

/// What `(value − 127.5) / 128` takes, the commonest of all.
const USUAL: (f32, f32) = (127.5, 1.0 / 128.0);

/// What the caller knows of a network.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Its name.
    pub id: Option<String>,
    /// SPDX identifier of the weights' licence.
    pub licence: Option<String>,
    /// Whether that licence allows commercial use.
    pub commercial_use: bool,
    /// Where the weights come from.
    pub source: Option<String>,
    /// Name of an alignment template.
    pub alignment: Option<String>,
    /// Order of the colours.
    pub colour: Option<ColourOrder>,
    /// Subtracted from each value.
    pub mean: Option<PerChannel>,
    /// Multiplied after that.
    pub scale: Option<PerChannel>,
    /// Name of the output that is the embedding.
    pub output: Option<String>,
}

/// A network's file, as far as it was looked at.
#[derive(Debug, Clone)]
pub struct Looked {
    /// File name without its ending.
    pub stem: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
}

/// An entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The model's name.
    pub id: String,
    /// Name its file is to have in the folder of models.
    pub file: String,
    /// The entry, TOML with comments.
    pub text: String,
}

/// No entry can be made. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Not one picture.
    #[error(
        "an embedder has one input of four dimensions, [batch, 3, side, side] or [batch, side, \
         side, 3]; this network has: {0}. Export the part from the picture to the embedding alone"
    )]
    NoImage(String),
    /// Numbers padan does not write.
    #[error(
        "the input {0} takes numbers of a type that padan does not write: export the network with \
         float32, or uint8 in [batch, side, side, 3]"
    )]
    Element(String),
    /// Several pictures at once.
    #[error(
        "the batch of the input is fixed at {0}: run `padan models prepare FILE OUT`, and add OUT"
    )]
    Batch(i64),
    /// A crop that nothing cuts.
    #[error(
        "the input takes crops of {width}×{height}, and no {wanted}: name one of them with \
         --alignment if the network takes any size, or export it for one of these sides: {known}"
    )]
    Crop {
        /// Width of the input.
        width: i64,
        /// Height of the input.
        height: i64,
        /// What was looked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// Which output?
    #[error(
        "an embedding is an output of float32 [batch, dimension]; this network has: {0}. Name the \
         right one with --output, or export the network up to it"
    )]
    NoEmbedding(String),
    /// A name that cannot be one.
    #[error("the id {0:?} takes letters, digits, '.', '_' and '-' only: name another with --id")]
    Id(String),
}

/// The entry of a network: what its file says, what the caller says, and guesses marked as such.
///
/// # Errors
/// When the network is no embedder that a manifest entry could describe.
pub fn draft(looked: &Looked, said: &Said) -> Result<Draft, DraftError> {
    let id = said.id.clone().unwrap_or_else(|| plain(&looked.stem));
    if id.is_empty() || id != plain(&id) {
        return Err(DraftError::Id(id));
    }
    let input = image(looked)?;
    let alignment = alignment(input, said)?;
    let (output, dimension) = embedding(&looked.outputs, said)?;
    let file = format!("{id}.onnx");
    let text = Entry {
        id: &id,
        file: &file,
        looked,
        said,
        input,
        alignment,
        output,
        dimension,
    }
    .text();
    Ok(Draft { id, file, text })
}

/// `text` with each run of characters that no id has as one '_'.
fn plain(text: &str) -> String {
    let mut id = String::new();
    for c in text.trim_start_matches('.').chars() {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            id.push(c);
        } else if !id.ends_with('_') {
            id.push('_');
        }
    }
    id
}

fn image(looked: &Looked) -> Result<&Port, DraftError> {
    let no_image = || DraftError::NoImage(ports_text(&looked.inputs));
    let [input] = looked.inputs.as_slice() else {
        return Err(no_image());
    };
    let &[batch, a, _, c] = input.shape.as_slice() else {
        return Err(no_image());
    };
    match (input.element, a, c) {
        (None, _, _) => return Err(DraftError::Element(input.to_string())),
        (Some(Element::Uint8), 3, c) if c != 3 => {
            return Err(DraftError::Element(input.to_string()));
        }
        (Some(_), 3, _) | (Some(_), _, 3) => {}
        _ => return Err(no_image()),
    }
    if ![-1, 1].contains(&batch) {
        return Err(DraftError::Batch(batch));
    }
    Ok(input)
}

fn alignment(input: &Port, said: &Said) -> Result<&'static AlignmentTemplate, DraftError> {
    let ([_, 3, height, width] | [_, height, width, 3]) = *input.shape.as_slice() else {
        return Err(DraftError::NoImage(input.to_string()));
    };
    let takes = |template: &AlignmentTemplate| {
        let side = i64::from(template.side_px);
        [height, width].iter().all(|it| *it == side || *it == -1)
    };
    let is_wanted = |template: &&&AlignmentTemplate| {
        let name = said.alignment.as_deref();
        takes(template) && name.is_none_or(|name| name == template.name)
    };
    TEMPLATES
        .iter()
        .find(is_wanted)
        .copied()
        .ok_or_else(|| DraftError::Crop {
            width,
            height,
            wanted: match &said.alignment {
                Some(name) => format!("alignment {name} gives them"),
                None => "alignment gives them".to_owned(),
            },
            known: TEMPLATES.map(|template| template.name).join(", "),
        })
}

/// The output that is the embedding, and its length.
fn embedding<'a>(outputs: &'a [Port], said: &Said) -> Result<(&'a Port, i64), DraftError> {
    let no_embedding = || DraftError::NoEmbedding(ports_text(outputs));
    let dimension = |port: &Port| {
        let floats = (port.element == Some(Element::Float32)).then_some(&port.shape)?;
        embedding_length(floats).filter(|length| *length >= DIMENSION_MIN)
    };
    let is_named = |port: &&Port| said.output.as_ref().is_none_or(|name| *name == port.name);
    let mut found = outputs
        .iter()
        .filter(is_named)
        .filter_map(|port| dimension(port).map(|length| (port, length)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(no_embedding()),
    }
}

/// All that stands in an entry.
struct Entry<'a> {
    id: &'a str,
    file: &'a str,
    looked: &'a Looked,
    said: &'a Said,
    input: &'a Port,
    alignment: &'static AlignmentTemplate,
    output: &'a Port,
    dimension: i64,
}

impl Entry<'_> {
    fn text(&self) -> String {
        let Self {
            id,
            file,
            looked,
            dimension,
            ..
        } = self;
        let mut text = format!(
            "[[model]]\nid = {}\ntask = \"embedder\"\nfile = {}\nsha256 = \"{}\"\n",
            quoted(id),
            quoted(file),
            looked.sha256
        );
        self.write_origin(&mut text);
        self.write_preprocessing(&mut text);
        // Writing to a string does not fail.
        let _ = writeln!(text, "dimension = {dimension}");
        let _ = writeln!(
            text,
            "# golden_similarity: `padan models check {id}` says the value to enter here, once the \
             lines above are right."
        );
        self.write_tensors(&mut text);
        text
    }

    fn write_origin(&self, text: &mut String) {
        let Said {
            licence, source, ..
        } = self.said;
        if licence.is_none() {
            text.push_str(
                "# Confirm: the file does not say under which licence its weights are (SPDX \
                 identifier), nor whether\n# that allows commercial use; the production profile \
                 needs it to.\n",
            );
        }
        let licence = quoted(licence.as_deref().unwrap_or("NOASSERTION"));
        let _ = writeln!(text, "licence = {licence}");
        let _ = writeln!(text, "commercial_use = {}", self.said.commercial_use);
        if source.is_none() {
            text.push_str("# Confirm: where the weights come from (publisher, address, paper).\n");
        }
        let given = format!("{}.onnx, as it was given", self.looked.stem);
        let source = quoted(source.as_ref().unwrap_or(&given));
        let _ = writeln!(text, "source = {source}");
    }

    fn write_preprocessing(&self, text: &mut String) {
        let said = self.said;
        let is_bytes = self.input.element == Some(Element::Uint8);
        let (mean, scale) = if is_bytes { (0.0, 1.0) } else { USUAL };
        if said.colour.is_none() {
            text.push_str(
                "# Confirm: the order of colours the network was trained on (\"rgb\" or \"bgr\").\n",
            );
        }
        let colour = match said.colour.unwrap_or(ColourOrder::Rgb) {
            ColourOrder::Rgb => "rgb",
            ColourOrder::Bgr => "bgr",
        };
        let _ = writeln!(text, "colour = \"{colour}\"");
        if !is_bytes && (said.mean.is_none() || said.scale.is_none()) {
            text.push_str(
                "# Confirm: values become (value - mean) * scale; the usual 127.5 and 1/128 were \
                 taken where nothing was said.\n",
            );
        }
        let mean = said.mean.unwrap_or(PerChannel::same(mean));
        let scale = said.scale.unwrap_or(PerChannel::same(scale));
        let _ = writeln!(text, "mean = {mean}\nscale = {scale}");
        if said.alignment.is_none() {
            let _ = writeln!(
                text,
                "# Confirm: how the faces of the training were cut; there are: {}.",
                TEMPLATES.map(|template| template.name).join(", ")
            );
        }
        let _ = writeln!(text, "alignment = \"{}\"", self.alignment.name);
    }

    fn write_tensors(&self, text: &mut String) {
        let is_bytes = self.input.element == Some(Element::Uint8);
        let has_one = |port: &Port| port.shape.first() == Some(&1);
        if is_bytes || has_one(self.input) {
            let why = if is_bytes { "of bytes" } else { "of one crop" };
            let _ = writeln!(
                text,
                "# Inputs {why} do not run in batches.\nproviders = [\"cpu\"]"
            );
        }
        if self.looked.outputs.len() > 1 {
            text.push_str("ignore_other_outputs = true\n");
        }
        let tensor = |port: &Port| {
            let element = match port.element {
                Some(Element::Uint8) => ", element = \"uint8\"",
                _ => "",
            };
            let name = quoted(&port.name);
            format!("{{ name = {name}, shape = {:?}{element} }}", port.shape)
        };
        let _ = writeln!(text, "input = {}", tensor(self.input));
        let _ = writeln!(text, "output = [{}]", tensor(self.output));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
