//! What is sent, encoded once: a call copies its bytes one time, into the buffer that goes out.

use bytes::{BufMut, Bytes};
use prost::Message as _;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use crate::grpc::proto;

/// Bytes of gRPC's header before a message.
const HEADER_BYTES: usize = 5;

/// Verifications to ask for, in turn. They differ in the probe only and share the rest.
#[derive(Debug, Clone)]
pub struct Workload {
    probes: Vec<Bytes>,
    rest: Bytes,
}

impl Workload {
    /// Each of `probes`, an encoded image, in place of the probe of `request`.
    #[must_use]
    pub fn new(probes: Vec<Bytes>, request: proto::VerifyRequest) -> Self {
        // Two encodings of one message, one after the other, are the encoding of both merged.
        let probe = |image| proto::VerifyRequest {
            probe: Some(proto::Sample { image }),
            ..proto::VerifyRequest::default()
        };
        let rest = proto::VerifyRequest {
            probe: None,
            ..request
        };
        let encoded = |image| Bytes::from(probe(image).encode_to_vec());
        Self {
            probes: probes.into_iter().map(encoded).collect(),
            rest: Bytes::from(rest.encode_to_vec()),
        }
    }

    /// Nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// Number of probes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.probes.len()
    }

    /// The message of call `number`; shares its bytes.
    pub(super) fn message(&self, number: usize) -> Message {
        let probe = number.checked_rem(self.probes.len());
        Message {
            probe: probe
                .and_then(|at| self.probes.get(at))
                .cloned()
                .unwrap_or_default(),
            rest: self.rest.clone(),
        }
    }
}

/// One encoded request.
#[derive(Clone)]
pub(super) struct Message {
    probe: Bytes,
    rest: Bytes,
}

impl Message {
    fn len(&self) -> usize {
        self.probe.len() + self.rest.len()
    }
}

/// Sends [`Message`]s of one size, receives `VerifyResponse`s.
pub(super) struct Encoded {
    buffer_bytes: usize,
}

impl Encoded {
    /// For this message: its buffer is made in its size.
    pub fn for_message(message: &Message) -> Self {
        Self {
            buffer_bytes: HEADER_BYTES + message.len(),
        }
    }
}

impl Codec for Encoded {
    type Encode = Message;
    type Decode = proto::VerifyResponse;
    type Encoder = MessageEncoder;
    type Decoder = ProstDecoder<proto::VerifyResponse>;

    fn encoder(&mut self) -> MessageEncoder {
        MessageEncoder(self.buffer_bytes)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

/// Puts a message's bytes behind each other.
pub(super) struct MessageEncoder(usize);

impl Encoder for MessageEncoder {
    type Item = Message;
    type Error = Status;

    fn encode(&mut self, message: Message, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.len());
        out.put(message.probe);
        out.put(message.rest);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.0, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_the_request_with_each_probe_in_turn() {
        let request = proto::VerifyRequest {
            meta: Some(proto::RequestMeta {
                deadline_class: proto::DeadlineClass::Bulk.into(),
                ..proto::RequestMeta::default()
            }),
            probe: None,
            reference: Some(proto::verify_request::Reference::ReferenceSample(
                proto::Sample {
                    image: Bytes::from_static(b"reference"),
                },
            )),
            policy: "activation".to_owned(),
            ..Default::default()
        };
        let probes = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let workload = Workload::new(probes.to_vec(), request.clone());
        for number in 0..5 {
            let message = workload.message(number);
            let sent = [&message.probe[..], &message.rest[..]].concat();
            assert_eq!(sent.len(), message.len());
            let received = proto::VerifyRequest::decode(&sent[..]).expect("is a request");
            let probe = Some(proto::Sample {
                image: probes[number % 2].clone(),
            });
            let expected = proto::VerifyRequest {
                probe,
                ..request.clone()
            };
            assert_eq!(received, expected);
        }
    }

    #[test]
    fn calls_share_the_bytes_of_their_images() {
        let probe = Bytes::from_static(b"probe");
        let workload = Workload::new(vec![probe], proto::VerifyRequest::default());
        let (one, two) = (workload.message(0), workload.message(1));
        assert_eq!(one.probe.as_ptr(), two.probe.as_ptr());
        assert_eq!(one.rest.as_ptr(), two.rest.as_ptr());
    }
}
