//! The pictures of all benches, from one place.

use std::path::PathBuf;

use bytes::Bytes;

/// What a phone sends, 1280×960 and some 150 KB, and an identity card's portrait.
const STANDARD: [&str; 2] = [
    "benches/pictures/selfie_1280x960.jpg",
    "benches/pictures/reference_240x320.jpg",
];

/// The standard selfie.
pub fn selfie() -> Bytes {
    read(STANDARD[0])
}

/// The portrait it is compared with.
pub fn reference() -> Bytes {
    read(STANDARD[1])
}

/// The root of the checkout.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Bytes {
    let path = repository().join(name);
    let bytes = std::fs::read(&path);
    bytes
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into()
}
