//! A model whose weights lie in another file than the one that the manifest pins.

use padan::digest::sha256_hex;
use padan::model::graph::onnx::tensor_proto::DataLocation;
use padan::model::graph::onnx::{ModelProto, StringStringEntryProto};
use prost::Message as _;

use super::Models;
use super::made::Net;
use crate::support::assert_says;

#[test]
fn weights_that_the_digest_says_nothing_of_are_not_loaded() {
    let models = Models::new("models-elsewhere");
    models.add("parted", Net::USUAL, &[]);
    let whole = Net::USUAL.file();
    let mut parted = ModelProto::decode(whole.as_slice()).expect("is a network");
    let weights = &mut parted.graph.as_mut().expect("has one").initializer;
    let filter = weights.iter_mut().find(|weight| weight.name() == "filter");
    let filter = filter.expect("has one");
    let numbers = std::mem::take(&mut filter.float_data);
    let numbers: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    std::fs::write(models.path("filter.bin"), numbers).expect("writes");
    filter.data_location = Some(DataLocation::External.into());
    filter.external_data.push(StringStringEntryProto {
        key: Some("location".to_owned()),
        value: Some("filter.bin".to_owned()),
    });
    let parted = parted.encode_to_vec();
    std::fs::write(models.path("parted.onnx"), &parted).expect("writes");
    models.change_manifest(&sha256_hex(&whole), &sha256_hex(&parted));
    let (code, stdout, stderr) = models.run(&["check", "parted"]);
    assert_eq!(code, 1, "{stderr}");
    assert_says(
        &stdout,
        &["✗ parted, names and shapes", "filter.bin", "as one file"],
    );
}
