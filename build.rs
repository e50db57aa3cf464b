//! Compiles `proto/` to Rust with protox, a pure-Rust protobuf compiler: no `protoc` needed.

use std::{env, error::Error, fs, path::PathBuf};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo talks to build scripts by environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["padan/v1/face_verification.proto"], ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(
        out.join("padan_descriptor.bin"),
        protox::prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .bytes(".padan.v1.Sample.image")
        // src/grpc.rs has one that shows no image.
        .skip_debug(["padan.v1.Sample"])
        .compile_fds(descriptors)?;
    Ok(())
}
