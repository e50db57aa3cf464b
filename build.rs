//! Compiles `proto/` to Rust with protox, a pure-Rust protobuf compiler: no `protoc` needed.
//! padan's contract and ONNX's file format apart: what is served describes the first alone.

use std::{env, error::Error, fs, path::PathBuf};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo talks to build scripts by environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files = Vec::new();
    for entry in fs::read_dir("proto/padan/v1")? {
        files.push(format!("padan/v1/{}", entry?.file_name().display()));
    }
    files.sort();
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(
        out.join("padan_descriptor.bin"),
        protox::prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .bytes(".padan.v1.Sample.image")
        // src/grpc.rs has ones that show neither image nor template nor NIK.
        .skip_debug([
            "padan.v1.Sample",
            "padan.v1.Subject",
            "padan.v1.ReadyTemplate",
            "padan.v1.Biodata",
        ])
        .compile_fds(descriptors)?;
    let mut onnx = protox::compile(["onnx/onnx-ml.proto"], ["proto"])?;
    for file in &mut onnx.file {
        // Its comments are no documentation of Rust, and stand in the file itself.
        file.source_code_info = None;
    }
    tonic_prost_build::configure()
        // Weights stay where the file was read to.
        .bytes(".onnx.TensorProto.raw_data")
        .compile_fds(onnx)?;
    Ok(())
}
