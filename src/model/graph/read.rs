//! Bytes to a network, or the reason why they are none that padan can take.

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::onnx::{ModelProto, Version, tensor_proto::DataLocation};
use super::walk;
use crate::model::manifest::MODEL_BYTES_MAX;

/// Most bytes of a file that are no weights. A network of a thousand layers has under one MiB;
/// what is read into memory can be a hundred times as large as what it is read from.
const STRUCTURE_BYTES_MAX: u64 = 32 << 20;

/// A file is no ONNX network that padan can take. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The bytes mean something else.
    #[error("this is not an ONNX model ({0}): export the network to ONNX first")]
    NotOnnx(String),
    /// It is larger than any face network.
    #[error("the file is larger than 1 GiB: padan reads no such model")]
    TooLarge,
    /// It is mostly something else than weights.
    #[error(
        "{0} bytes of the file are no weights, which no face network needs: export it again, with \
         its weights as raw data"
    )]
    TooMuchStructure(u64),
    /// A newer format.
    #[error(
        "the file has version {found} of ONNX's format, and padan knows up to {known}: export it \
         with an older one (`onnx.version_converter`, or the exporter's own option)"
    )]
    Version {
        /// Of the file.
        found: i64,
        /// Of this build.
        known: i64,
    },
    /// Weights lie elsewhere.
    #[error(
        "the weights of this model lie in another file ({0}), so that its digest would say nothing \
         of them: save it as one file (`onnx.save(model, path, save_as_external_data=False)`)"
    )]
    ExternalData(String),
}

pub fn read(content: Bytes) -> Result<ModelProto, GraphError> {
    if content.len() as u64 > MODEL_BYTES_MAX {
        return Err(GraphError::TooLarge);
    }
    let not_onnx = |cause: &str| GraphError::NotOnnx(cause.to_owned());
    let structure = structure_bytes(content.clone(), Level::Model);
    let structure = structure.map_err(|error| not_onnx(&error))?;
    if structure > STRUCTURE_BYTES_MAX {
        return Err(GraphError::TooMuchStructure(structure));
    }
    let model = ModelProto::decode(content).map_err(|error| not_onnx(&error.to_string()))?;
    let known = i64::from(i32::from(Version::IrVersion));
    match model.ir_version {
        None | Some(..=0) => return Err(not_onnx("it has no format version")),
        Some(found) if found > known => return Err(GraphError::Version { found, known }),
        Some(_) => {}
    }
    let nodes = model.graph.as_ref().map(|graph| &graph.node);
    if nodes.is_none_or(Vec::is_empty) {
        return Err(not_onnx("it has no graph"));
    }
    let mut elsewhere = None;
    walk::each_tensor_of_file(&model, &mut |tensor| {
        let is_elsewhere = tensor.data_location() == DataLocation::External;
        if is_elsewhere || !tensor.external_data.is_empty() {
            let entries = tensor.external_data.iter();
            let place = entries.filter(|entry| entry.key() == "location");
            let place = place.map(|entry| entry.value().to_owned()).next();
            elsewhere = elsewhere
                .take()
                .or(place)
                .or_else(|| Some("not named".to_owned()));
        }
    });
    match elsewhere {
        Some(file) => Err(GraphError::ExternalData(file)),
        None => Ok(model),
    }
}

/// Where in a file a message stands.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Level {
    /// The level of a field's message, where weights may lie.
    const fn below(self, tag: u32) -> Option<Self> {
        match (self, tag) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph | Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }

    /// Whether a field takes as much memory as it takes in the file: raw and floating numbers.
    const fn is_plain(self, tag: u32) -> bool {
        matches!((self, tag), (Self::Tensor, 4 | 9 | 10))
    }
}

/// How many bytes of a message are no weights, found without building anything of it. The levels
/// bound the depth.
fn structure_bytes(mut message: Bytes, level: Level) -> Result<u64, String> {
    let mut count = 0;
    while message.has_remaining() {
        let before = message.remaining();
        let (tag, wire_type) = decode_key(&mut message).map_err(|error| error.to_string())?;
        let is_message = wire_type == WireType::LengthDelimited;
        let below = level.below(tag).filter(|_| is_message);
        if below.is_none() && !(is_message && level.is_plain(tag)) {
            skip_field(wire_type, tag, &mut message, DecodeContext::default())
                .map_err(|error| error.to_string())?;
            count += (before - message.remaining()) as u64;
            continue;
        }
        let length = decode_varint(&mut message).map_err(|error| error.to_string())?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > message.remaining() {
            return Err("it ends too early".to_owned());
        }
        count += (before - message.remaining()) as u64;
        let inner = message.split_to(length);
        if let Some(level) = below {
            count += structure_bytes(inner, level)?;
        }
    }
    Ok(count)
}
